//! HTTP, decided request by request: curl, nginx, Python and a browser, by every door.

mod hostile;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_tests::browser::Browser;
use doorward_tests::gateway::Ran;
use doorward_tests::http::{DOMAIN, RULES, World, local, run, with};
use doorward_tests::port;
use doorward_tests::running::{PATIENCE, Running, wait_until};
use doorward_tests::tools::{program, python, script};

#[test]
fn requests_are_decided_one_by_one_at_every_door_and_in_both_versions() {
    let world = World::new();
    let (_alice, alice) = world.listening("alice");
    let (_bob, bob) = world.listening("bob");
    let curls = |who: &str, path: &str| {
        let at = if who == "bob" { bob } else { alice };
        let knowing = ["--http2-prior-knowledge"];
        vec![
            ("name", world.curl(who, path)),
            ("proxy", world.proxied(who, path)),
            ("proxy, h2", with(world.proxied(who, path), &knowing)),
            ("agent", local(at, path)),
            ("agent, h2", with(local(at, path), &knowing)),
        ]
    };
    for (door, curl) in curls("bob", "/pub/a?q=1") {
        let before = world.backend.lines().len();
        assert_eq!(run(curl).ok(), "GET /pub/a?q=1\n", "{door}");
        assert_eq!(world.since(before), ["GET /pub/a?q=1"]);
    }
    for (method, path) in [("GET", "/private"), ("POST", "/pub/a"), ("GET", "/public")] {
        for (door, curl) in curls("bob", path) {
            let before = world.backend.lines().len();
            let refused = run(with(curl, &["-i", "-X", method])).ok();
            let refused = refused.rsplit("HTTP/").next().unwrap();
            assert!(refused.contains(" 403 "), "{door}: {refused}");
            assert!(refused.contains("application/problem+json"), "{door}: {refused}");
            let id = refused.to_lowercase();
            let id = id.lines().find_map(|line| line.strip_prefix("doorward-request-id: "));
            let id = id.unwrap().to_uppercase();
            assert_eq!(world.since(before), [""; 0], "{door}");
            let shown = world.gateway.owner(&["audit", "tail", "--flow", &id, "--json"]);
            assert!(shown.contains("operation-refused"), "{door} {id}: {shown}");
        }
    }
    // Where one can do nothing at all there is nothing.
    let refused = run(world.curl("mallory", "/pub/a"));
    assert!(matches!(refused.status, Some(55 | 56 | 35)), "{refused:?}");
    // A forbidden one between two does not end the connection.
    let before = world.backend.lines().len();
    let mut three = world.curl("alice", "/1");
    for path in ["/secret/x", "/2"] {
        three.arg(format!("https://web--box.{DOMAIN}{path}"));
    }
    let told = run(with(three, &["-w", "%{http_code} %{num_connects}\\n"])).ok();
    let told: Vec<&str> = told.lines().filter(|line| line.split(' ').count() == 2).collect();
    assert_eq!(told, ["GET /1", "200 1", "403 0", "GET /2", "200 0"]);
    assert_eq!(world.since(before), ["GET /1", "GET /2"]);
    // Of the many, the first of a kind is recorded by itself.
    let record = world.gateway.await_record("an operation", |record| {
        record["event"] == "operation" && record["path"] == "web/pub/a"
    });
    assert_eq!((&record["subject"], &record["action"]), (&"user/bob".into(), &"get".into()));
    assert!(record["rules"].as_array().is_some_and(|rules| !rules.is_empty()));
    let end = world.gateway.await_record("an end", |record| record["event"] == "flow-end");
    assert_eq!(end["reason"], "complete", "{end}");
    assert!(end["bytes_up"].as_u64() > Some(50) && end["bytes_down"].as_u64() > Some(50), "{end}");
    assert_eq!(world.gateway.owner_json(&["status"])["untracked"], 0);
}

/// The id by which the audit log has an answer that curl printed with its head.
fn request_id(printed: &str) -> String {
    let printed = printed.to_lowercase();
    let id = printed.lines().find_map(|line| line.strip_prefix("doorward-request-id: "));
    id.unwrap().trim().to_owned()
}

#[test]
fn people_read_a_refusal_as_a_page_and_programs_as_a_document() {
    let world = World::new();
    let (_bob, bob) = world.listening("bob");
    let (_alice, alice) = world.listening("alice");
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for (at, path, status, says) in [
            (bob, "/private", " 403", "No such thing, or no right to it."),
            (alice, "/switch", " 502", "no answer that can be passed on"),
        ] {
            let get =
                |more: &[&str]| run(with(local(at, path), &[&[version, "-i"], more].concat())).ok();
            for more in [&[][..], &["-H", "Accept: application/json, text/html;q=0.5"]] {
                let document = get(more);
                assert!(document.contains(status), "{document}");
                assert!(document.contains("application/problem+json"), "{document}");
                assert!(!document.contains("<html"), "{document}");
            }
            let page = get(&["-H", browser]);
            assert!(page.contains(status) && page.contains("text/html"), "{page}");
            assert!(page.contains(says) && page.to_lowercase().contains("vary: accept"), "{page}");
            let id = request_id(&page);
            assert!(page.to_lowercase().contains(&format!("<code>{id}</code>")), "{page}");
            assert!(page.contains("default-src 'none'"), "{page}");
            let shown = world.gateway.owner(&["audit", "tail", "--flow", &id.to_uppercase()]);
            assert!(shown.contains("web"), "{shown}");
        }
    }
}

/// Waits until a stream flows.
#[track_caller]
fn flows(child: &mut Child) {
    let mut some = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut some).expect("it flows");
}

/// How a program ended that was cut, and how long after `since`.
fn ended(mut child: Child, since: Instant) -> (Option<i32>, Duration) {
    let mut rest = Vec::new();
    let _ = child.stdout.as_mut().unwrap().read_to_end(&mut rest);
    let status = child.wait().unwrap().code();
    (status, since.elapsed())
}

#[test]
fn what_goes_on_is_cut_with_its_right_and_looks_complete_to_nobody() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    let knowing = ["--http2-prior-knowledge"];
    for path in ["/sse", "/endless", "/slow", "/flood"] {
        let cut = format!("p, user/alice, box, web{path}, get, , deny");
        let curls = [
            ("name", world.curl("alice", path)),
            ("proxy", world.proxied("alice", path)),
            ("proxy, h2", with(world.proxied("alice", path), &knowing)),
            ("agent", local(at, path)),
            ("agent, h2", with(local(at, path), &knowing)),
        ];
        let mut running = Vec::new();
        for (door, mut curl) in curls {
            curl.arg("-N").stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = curl.spawn().unwrap();
            flows(&mut child);
            running.push((door, child));
        }
        world.gateway.rules(&format!("{RULES}\n{cut}"));
        let since = Instant::now();
        for (door, child) in running {
            let (status, after) = ended(child, since);
            // 18: fewer bytes than announced; 56: reset; 92: a stream of HTTP/2 was.
            assert!(matches!(status, Some(18 | 56 | 92)), "{path} {door}: {status:?}");
            assert!(after < Duration::from_secs(2), "{path} {door}: {after:?}");
        }
        world.gateway.rules(RULES);
    }
    assert_eq!(world.gateway.owner_json(&["status"])["untracked"], 0);
}

/// A stream over HTTP/2 is cut, and its neighbours on the same connection go on.
#[test]
fn a_stream_that_is_cut_disturbs_no_other() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    let mut command = Command::new(python());
    command.arg(script("http2_streams.py")).arg(at.port().to_string());
    command.args(["/", "/sse/a", "/sse/b", "/sse/c"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    flows(&mut child);
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/sse/b, get, , deny"));
    // What is asked for now is answered still.
    child.stdin.as_mut().unwrap().write_all(b"/after\n").unwrap();
    let mut told = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut told).unwrap();
    assert!(child.wait().unwrap().success(), "{told}");
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told,
        ["/ ended", "/sse/a goes on", "/sse/b reset 8", "/sse/c goes on", "/after ended"]
    );
    // Besides the connection to the backend on which it was.
    let cut = world.gateway.await_record("the cut", |record| {
        record["event"] == "operation" && record["outcome"] == "cut"
    });
    assert_eq!(cut["path"], "web/sse/b");
}

#[test]
fn an_upload_is_cut_too_and_bounded() {
    let world = World::with("?body=100000");
    let (_agent, at) = world.listening("alice");
    for curl in [
        world.curl("alice", "/count"),
        world.proxied("alice", "/count"),
        with(world.proxied("alice", "/count"), &["--http2-prior-knowledge"]),
        local(at, "/count"),
        with(local(at, "/count"), &["--http2-prior-knowledge"]),
    ] {
        let upload = ["-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", "@-"];
        let ran = Ran::fed(with(curl, &upload), &[7; 99_000]).ok();
        assert_eq!(ran, "99000\n");
    }
    for (door, curl) in [
        ("name", world.curl("alice", "/count")),
        ("agent, h2", with(local(at, "/count"), &["--http2-prior-knowledge"])),
    ] {
        let upload = ["-i", "-T", "-", "-X", "POST", "-H", "Expect:"];
        let ran = Ran::fed(with(curl, &upload), &[7; 120_000]);
        assert!(ran.out.contains(" 413 "), "{door}: {ran:?}");
    }
    // Declared to be more, it is refused by its head.
    let ran = Ran::fed(
        with(world.curl("alice", "/count"), &["-i", "--data-binary", "@-"]),
        &[7; 200_000],
    );
    assert!(ran.out.contains(" 413 "), "{ran:?}");
    // An upload whose right ends while it is on its way.
    let mut curl = with(world.curl("alice", "/count/slowly"), &["-T", "-", "-X", "POST"]);
    curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(b"some").unwrap();
    world.gateway.await_record("the request", |record| record["path"] == "web/count/slowly");
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/count/**, post, , deny"));
    let output = Ran::of(child.wait_with_output().unwrap());
    assert!(!matches!(output.status, Some(0)), "{output:?}");
    let whole = world.backend.requests().iter().any(|note| note["body"] == "some");
    assert!(!whole, "the backend takes it for whole");
}

#[test]
fn an_interface_takes_so_many_requests() {
    let world = World::with("?rate=3/m");
    let paths: Vec<String> = (1..=5).map(|n| format!("https://web--box.{DOMAIN}/{n}")).collect();
    let mut curl = world.curl("alice", "/0");
    curl.args(&paths).args(["-o", "/dev/null", "-D", "-"]);
    let told = run(curl).ok();
    let heads: Vec<&str> = told.lines().filter(|line| line.starts_with("HTTP/1.1")).collect();
    assert_eq!(heads.iter().filter(|line| line.contains(" 200 ")).count(), 3, "{told}");
    assert_eq!(heads.iter().filter(|line| line.contains(" 429 ")).count(), 3, "{told}");
    assert!(told.to_lowercase().contains("retry-after: 20"), "{told}");
    // For whoever comes, and by whichever connection.
    let ran = run(with(world.curl("bob", "/pub/x"), &["-i"])).ok();
    assert!(ran.starts_with("HTTP/1.1 429 "), "{ran}");
    assert_eq!(world.backend.lines().len(), 3);
}

#[test]
fn answers_come_as_the_backend_makes_them_or_not_at_all() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let get =
            |path: &str, more: &[&str]| run(with(local(at, path), &[&[version], more].concat()));
        assert_eq!(get("/old", &[]).ok(), "old\n");
        assert_eq!(get("/close", &[]).ok(), "bye\n");
        assert_eq!(get("/early", &[]).ok(), "late\n");
        let head = get("/head", &["-I"]).ok();
        assert!(head.to_lowercase().contains("content-length: "), "{head}");
        for (path, torn) in [("/short", [18, 56, 92]), ("/torn", [18, 56, 92])] {
            let ran = get(path, &[]);
            assert!(ran.status.is_some_and(|status| torn.contains(&status)), "{path}: {ran:?}");
        }
        let ran = get("/switch", &["-i"]).ok();
        assert!(ran.contains(" 502 "), "{ran}");
        // The id of the answer leads the administrator to the reason.
        let id = request_id(&ran);
        let record = world.gateway.await_record("an answer that was not passed on", |record| {
            record["flow"] == id && record["reason"] == "bad-answer"
        });
        assert_eq!((&record["path"], &record["outcome"]), (&"web/switch".into(), &"failed".into()));
        assert_eq!(record["detail"], "the device switches to what was not asked for");
        let ran = get("/cookie", &["-i"]).ok().to_lowercase();
        assert!(
            ran.contains("set-cookie: a=1\r\n") && ran.contains("location: /there\r\n"),
            "{ran}"
        );
        assert!(!ran.contains("alt-svc") && !ran.contains("doorward-request-id: no"), "{ran}");
        let ran = get("/trailers", &["-D", "-"]).ok().to_lowercase();
        let has = ran.contains("x-sum: 7");
        assert!(!ran.contains("set-cookie: a=1"), "{ran}");
        assert!(has || version == "--http1.1", "{ran}");
        let ran = get("/status/204", &["-i"]).ok();
        assert!(ran.contains(" 204"), "{ran}");
        // The backend has gone in between, and nobody hears of it. (curl of those days makes one
        // request of a connection over HTTP/2 without TLS.)
        let again = if version == "--http1.1" { 5 } else { 0 };
        let urls = vec![format!("http://{at}/leave"); again];
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        assert_eq!(get("/leave", &urls).ok(), "here\n".repeat(1 + again));
        let told = get("/echo", &["-d", "some", "-H", "Expect: 100-continue"]).ok();
        assert_eq!(told, "some");
    }
}

#[test]
fn what_changes_nothing_is_asked_again_when_a_used_connection_ends_and_nothing_else_is() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    // Each connection of this backend answers once.
    let url = format!("http://{at}/once");
    let ran = run(with(local(at, "/once"), &[&url, &url])).ok();
    assert_eq!(ran, "GET /once\n".repeat(3));
    let mut curl = with(local(at, "/once"), &["--next", "-s", "-i", "-d", "a=1", &url]);
    curl.args(["--next", "-s", "-i", "-X", "PUT", "-d", "a=1", &url]);
    let ran = run(curl).ok();
    assert!(ran.starts_with("GET /once\nHTTP/1.1 502 "), "{ran}");
    assert!(ran.ends_with("PUT /once\n"), "{ran}");
    let lines = world.backend.lines();
    let methods: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(methods, ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "PUT"]);
}

#[test]
fn whoever_has_said_all_is_still_answered() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    for path in ["/a", "/wait/1"] {
        let mut client = TcpStream::connect(at).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(ask.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).expect("its end is proper");
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    }
}

#[test]
fn a_gibibyte_is_downloaded_without_growth_and_one_is_uploaded() {
    const SIZE: u64 = 1 << 30;
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    let memory = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", world.gateway.process().id()));
        let status = status.unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    run(world.curl("alice", "/")).ok();
    let before = memory();
    for curl in [
        world.curl("alice", &format!("/large/{SIZE}")),
        with(local(at, &format!("/large/{SIZE}")), &["--http2-prior-knowledge"]),
    ] {
        let ran = run(with(curl, &["-o", "/dev/null", "-w", "%{size_download}"])).ok();
        assert_eq!(ran, SIZE.to_string());
    }
    let grown = memory() - before;
    assert!(grown < 64 * 1024, "{grown} KiB");
    let mut curl = world.curl("alice", "/count");
    let zeros = std::fs::File::options().read(true).open("/dev/zero").unwrap();
    curl.args(["-H", "Expect:", "-T", "-", "-X", "POST"]).stdin(Stdio::piped());
    curl.stdout(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::copy(&mut zeros.take(SIZE / 4), &mut stdin).unwrap();
    drop(stdin);
    assert_eq!(Ran::of(child.wait_with_output().unwrap()).ok(), format!("{}\n", SIZE / 4));
    let grown = memory() - before;
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[test]
fn a_connection_without_a_word_is_let_go_and_what_waits_is_not() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    let mut silent = TcpStream::connect(at).unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut idle = TcpStream::connect(at).unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    let since = Instant::now();
    let waited = std::thread::spawn(move || run(local(at, "/wait/35")).ok());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("its end is proper");
    assert!(String::from_utf8_lossy(&rest).ends_with("GET /\n"));
    assert!(since.elapsed() < Duration::from_secs(33), "{:?}", since.elapsed());
    rest.clear();
    assert!(silent.read_to_end(&mut rest).is_err() && rest.is_empty(), "{rest:?}");
    assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
    assert_eq!(waited.join().unwrap(), "waited\n");
    wait_until("the backend's end", || world.backend.ends().len() >= 2);
}

/// What a program prints up to a line, which is the last that is read.
#[track_caller]
fn until(child: &mut Child, line: &str) {
    let mut said = Vec::new();
    while !said.ends_with(format!("{line}\n").as_bytes()) {
        let mut byte = [0];
        let read = child.stdout.as_mut().unwrap().read_exact(&mut byte);
        read.unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&said)));
        said.push(byte[0]);
    }
}

#[test]
fn a_websocket_is_relayed_as_long_as_both_its_rights_live() {
    let world = World::new();
    let (_agent, at) = world.listening("alice");
    let file = |name: &str| world.gateway.identity("alice").join(name).display().to_string();
    let tls = ["cert.pem", "key.pem", "ca.pem"].map(file);
    let open = |at: SocketAddr, url: &str, files: &[String]| {
        let mut command = Command::new(python());
        command.arg(script("websocket_client.py")).arg(at.to_string()).arg(url).args(files);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        until(&mut child, "echoed");
        child
    };
    let by_name = format!("wss://web--box.{DOMAIN}/ws/a");
    let both = || {
        let name = open(world.gateway.listen, &by_name, &tls);
        [("name", name), ("agent", open(at, &format!("ws://{at}/ws/a"), &[]))]
    };
    for (door, mut child) in both() {
        child.stdin.as_mut().unwrap().write_all(b"close\n").unwrap();
        let ended = Ran::of(child.wait_with_output().unwrap()).ok();
        assert_eq!(ended, "1000\n", "{door}");
    }
    for action in ["get", "connect"] {
        let open = both();
        world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/ws/a, {action}, , deny"));
        let since = Instant::now();
        for (door, child) in open {
            let ended = Ran::of(child.wait_with_output().unwrap()).ok();
            assert_eq!(ended, "1006\n", "{door}");
            assert!(since.elapsed() < Duration::from_secs(2), "{door}");
        }
        let refused = run(with(
            local(at, "/ws/a"),
            &[
                "-i",
                "-H",
                "Connection: Upgrade",
                "-H",
                "Upgrade: websocket",
                "-H",
                "Sec-WebSocket-Key: x",
                "--http1.1",
            ],
        ));
        assert!(refused.out.contains(" 403 "), "{refused:?}");
        world.gateway.rules(RULES);
    }
    // One direction ends before the other.
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask =
        "GET /raw/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    stream.write_all(b"early\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.contains(" 101 ") && heard.ends_with("\r\n\r\nhello\nearly\nbye\n"), "{heard}");
    // Over HTTP/2.
    let open = |path: &str, ends: &str| {
        let mut command = Command::new(python());
        command.arg(script("http2_connect.py")).arg(at.port().to_string());
        command.args([path, "echo", ends]).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let heard = Ran::of(open("/raw/x", "end").wait_with_output().unwrap()).ok();
    assert!(heard.ends_with("'hello\\nthrough h2\\nbye\\n' ended\n"), "{heard}");
    let mut child = open("/raw/x", "no");
    until(&mut child, "heard");
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/raw/**, connect, , deny"));
    let ended = Ran::of(child.wait_with_output().unwrap()).ok();
    assert!(ended.ends_with("reset 8\n"), "{ended}");
    assert_eq!(world.gateway.owner_json(&["status"])["untracked"], 0);
}

#[test]
fn nginx_serves_as_without_the_gateway_and_never_hears_of_what_is_forbidden() {
    let world = World::new();
    let dir = world.gateway.dir().join("nginx");
    std::fs::create_dir_all(dir.join("html/pub")).unwrap();
    let text = "the quick brown fox\n".repeat(1000);
    std::fs::write(dir.join("html/pub/a.txt"), &text).unwrap();
    std::fs::write(dir.join("html/secret.txt"), "secret").unwrap();
    let (at, shown) = (port::reserve(), dir.display());
    let config = format!(
        "daemon off; master_process off; pid {shown}/pid; error_log {shown}/error;\nevents {{}}\n\
         http {{ access_log {shown}/access; gzip on; gzip_proxied any; gzip_types text/plain;\n\
         client_body_temp_path {shown}/b; proxy_temp_path {shown}/p; uwsgi_temp_path {shown}/u;\n\
         fastcgi_temp_path {shown}/f; scgi_temp_path {shown}/s; types {{ text/plain txt; }}\n\
         server {{ listen {at}; root {shown}/html; }} }}\n"
    );
    std::fs::write(dir.join("conf"), config).unwrap();
    let mut nginx = Command::new(program("nginx"));
    nginx.arg("-p").arg(&dir).arg("-c").arg(dir.join("conf"));
    let _nginx = Running::start(&mut nginx, dir.join("err"));
    wait_until("nginx", || port::listens(at));
    world.gateway.owner(&["interface", "add", "box/files", &format!("http://{at}")]);
    world.gateway.rules("p, user/bob, box, files/pub/**, get|head, , allow");
    let (_bob, near) = world.gateway.listening("bob", "box/files");
    let access = || std::fs::read_to_string(dir.join("access")).unwrap_or_default();
    let mut asked = 0;
    for options in [
        &["-i"][..],
        &["-I"],
        &["-i", "-r", "4-8"],
        &["-i", "-r", "-5"],
        &["-i", "-r", "0-1,4-5"],
        &["-i", "-H", "Accept-Encoding: gzip", "--output", "-"],
        &["-i", "-H", "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT"],
        &["-i", "-H", "If-Match: \"other\""],
    ] {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let get = |at: SocketAddr, version: &str| {
                let mut curl = with(local(at, "/pub/a.txt"), options);
                let output = curl.arg(version).output().unwrap();
                assert!(output.status.success(), "{options:?} {output:?}");
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                let boundary = head.split("boundary=").nth(1).map(|rest| rest[..20].to_owned());
                let head = head.to_lowercase();
                let mut lines: Vec<_> =
                    head.lines().filter_map(|line| line.split_once(": ")).collect();
                lines.retain(|(name, _)| {
                    // What is between neighbours, and what changes.
                    ![
                        "connection",
                        "date",
                        "doorward-request-id",
                        "transfer-encoding",
                        "content-type",
                    ]
                    .contains(name)
                });
                lines.sort_unstable();
                let status = head.split_whitespace().nth(1).unwrap();
                let told = format!("{status} {lines:?} {body}");
                boundary.map_or(told.clone(), |boundary| told.replace(&boundary, ""))
            };
            assert_eq!(get(near, version), get(at, "--http1.1"), "{options:?} {version}");
            asked += 2;
        }
    }
    for path in [
        "/secret.txt",
        "/pub/../secret.txt",
        "/pub/%2e%2e/secret.txt",
        "/",
        "/pub%2f..%2fsecret.txt",
    ] {
        let refused = run(with(local(near, path), &["-w", "%{http_code}", "-o", "/dev/null"])).ok();
        assert!(["400", "403"].contains(&refused.as_str()), "{path}: {refused}");
    }
    run(with(local(near, "/pub/a.txt"), &["-X", "DELETE"])).ok();
    run(with(local(near, "/pub/last.txt"), &[])).ok();
    wait_until("nginx's log", || access().contains("last.txt"));
    assert_eq!(access().lines().count(), asked + 1, "{}", access());
    assert!(!access().contains("secret"), "{}", access());
}

/// Numbers that are the same each time.
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn the_path_that_was_decided_is_the_path_that_the_backend_received() {
    const PIECES: &[&str] = &[
        "a", "B", "ok", "..", ".", "/", "/", "/", "%2e", "%2F", "%41", "%7e", "%c3%a9", "%C3%A9",
        "%25", "%00", "%0a", "%20", "%3b", ";", ";x=1", "%40", "@", ":", "!", "*", "'", "(", "$",
        "&", "=", "+", ",", "\\", "%5c", "\"", "|", "^", "[", "]", "{", "~", "-", "_", "%", "%4",
        "%zz", "#f", "\u{e9}",
    ];
    // Of what one subject does within a minute, no more than this is recorded one by one.
    const EACH: usize = 500;
    const PATHS: usize = 3000;
    let world = World::new();
    world.gateway.rules(
        "p, role/users, box, web/**, get, , allow\np, role/users, box, web/*/ok, get, , deny",
    );
    let mut seed = Seed(20_261_126);
    let mut sent = Vec::new();
    for _ in 0..PATHS {
        let pieces = (0..1 + seed.below(6)).map(|_| PIECES[seed.below(PIECES.len())]);
        sent.push(format!("/{}", pieces.collect::<String>()));
    }
    let mut permitted = 0;
    let mut listening = Vec::new();
    for (number, some) in sent.chunks(EACH).enumerate() {
        let who = format!("walker{number}");
        world.gateway.enrol(&format!("user/{who}"), &[]);
        let (walker, at) = world.listening(&who);
        listening.push(walker);
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let requests: String = some
            .iter()
            .map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .collect();
        let writing = std::thread::spawn(move || {
            let last = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            drop(writer.write_all((requests + last).as_bytes()));
        });
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        writing.join().unwrap();
        let heard = String::from_utf8_lossy(&heard).into_owned();
        let statuses: Vec<&str> = heard.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect();
        assert_eq!(statuses.len(), some.len() + 1);
        permitted += statuses.iter().filter(|status| **status == "200").count();
    }
    let reached = world.backend.lines();
    assert_eq!(reached.len(), permitted);
    assert!(permitted > PATHS / 4, "{permitted}");
    let mut reached: Vec<String> =
        reached.iter().map(|line| format!("web{}", &line[4..])).collect();
    reached.iter_mut().for_each(|path| path.truncate(path.find('?').unwrap_or(path.len())));
    wait_until("the records", || {
        let records = world.gateway.audit();
        records.iter().any(|record| record["event"] == "operation")
    });
    std::thread::sleep(Duration::from_secs(2));
    let records = world.gateway.audit();
    let mut recorded: Vec<String> = records
        .iter()
        .filter(|record| record["event"] == "operation")
        .map(|record| record["path"].as_str().unwrap().to_owned())
        .collect();
    for list in [&mut reached, &mut recorded] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(reached, recorded, "what is decided is what the backend has received");
    // In which other ways a backend may read what it has received.
    let plain = |path: &str| {
        let segments = path.split('/').map(|segment| segment.split(';').next().unwrap());
        segments.collect::<Vec<_>>().join("/").replace("%3B", ";").replace("%40", "@")
    };
    let denied =
        |path: &String| plain(path).split('/').count() == 3 && plain(path).ends_with("/ok");
    assert!(!reached.iter().any(|path| path.contains("/../") || denied(path)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_the_protocol_that_it_can_and_any_other_is_let_in() {
    use doorward_tests::client::Client;
    use doorward_tests::forge::Credentials;
    let world = World::new();
    let echo = doorward_tests::Backend::tcp(doorward_tests::Kind::Echo);
    world.gateway.owner(&["interface", "add", "box/tcp", echo.url()]);
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, tcp, connect, , allow"));
    let dir = world.gateway.identity("alice");
    let client = |protocols: &[&str]| {
        let credentials = Some(Credentials::read(&dir));
        Client::speaking(world.gateway.listen, &dir.join("ca.pem"), credentials, protocols)
    };
    for (offered, told) in [
        (&["h2", "http/1.1"][..], Some("http/1.1")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2"], Some("h2")),
        (&["mqtt"], None),
        (&["x-foo", "h2"], Some("h2")),
        (&[], None),
    ] {
        // Whatever there is behind the name, if anything is.
        for name in ["web--box", "tcp--box", "nothing--box"] {
            let stream = client(offered).connect(&format!("{name}.{DOMAIN}")).await.unwrap();
            let chosen = stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy);
            assert_eq!(chosen.as_deref(), told, "{name} {offered:?}");
        }
    }
    let stream = client(&["h2"]).connect(&format!("web--box.{DOMAIN}")).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let get = |path: &str| {
        http::Request::get(format!("https://web--box.{DOMAIN}{path}")).body(()).unwrap()
    };
    // Whoever lets an answer go has its connection reset.
    async fn answered(answer: h2::client::ResponseFuture) -> u16 {
        let answer = answer.await.unwrap();
        let (status, mut body) = (answer.status().as_u16(), answer.into_body());
        while body.data().await.is_some() {}
        status
    }
    for (path, status) in [("/a", 200), ("/secret/b", 403), ("/c", 200)] {
        let (answer, _) = send.send_request(get(path), true).unwrap();
        assert_eq!(answered(answer).await, status, "{path}");
    }
    // As many at once as there are connections to the backend, and more.
    let many: Vec<_> = (0..40)
        .map(|_| tokio::spawn(answered(send.send_request(get("/wait/0.2"), true).unwrap().0)))
        .collect();
    for answer in many {
        assert_eq!(answer.await.unwrap(), 200);
    }
    let used: std::collections::HashSet<_> =
        world.backend.requests().iter().map(|note| note["connection"].to_string()).collect();
    assert!((10..=16).contains(&used.len()), "{}", used.len());
    drop(send);
    connection.abort();
}

#[test]
fn behind_an_agent_with_a_base_and_another_host() {
    let world = World::new();
    let url = world.backend.url();
    world.gateway.enrol("device/hut", &[]);
    for (name, url) in [
        ("box/based", format!("{url}/base/x?host=plc.example:81&audit=sync")),
        ("hut/behind", "http+agent:web".to_owned()),
    ] {
        world.gateway.owner(&["interface", "add", name, &url]);
    }
    world.gateway.rules(
        "p, user/bob, box, based/a/**, get, , allow\np, user/bob, hut, behind/**, get, , allow",
    );
    let config = format!("[interfaces.web]\nurl = \"{}\"\n", url.replace("http:", "tcp:"));
    let _agent = world.gateway.agent("hut", &config);
    let (_based, based) = world.gateway.listening("bob", "box/based");
    assert_eq!(run(local(based, "/a/b?c")).ok(), "GET /base/x/a/b?c\n");
    let head = world.backend.requests().pop().unwrap()["head"].as_str().unwrap().to_lowercase();
    assert!(head.contains("\r\nhost: plc.example:81\r\n"), "{head}");
    let recorded = world.gateway.audit().into_iter().any(|record| record["path"] == "based/a/b");
    assert!(recorded, "it is on disk before it is forwarded");
    assert!(run(with(local(based, "/b"), &["-i"])).ok().contains(" 403 "));
    let (_behind, behind) = world.gateway.listening("bob", "hut/behind");
    assert_eq!(run(local(behind, "/head")).ok().lines().next().unwrap(), "GET /head HTTP/1.1");
    let mut curl = local(behind, "/sse");
    let mut child = curl.arg("-N").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    flows(&mut child);
    world.gateway.rules("");
    let (status, _) = ended(child, Instant::now());
    assert_eq!(status, Some(56));
}

/// What reaches the backend of a page that tries everything at a local port of another interface.
fn tried(world: &World, home: &str, own: SocketAddr, other: SocketAddr) -> Vec<String> {
    let before = world.backend.lines().len();
    let browser = Browser::new(&world.gateway.dir().join(home));
    let _browser = browser.open(&format!("http://{own}/elsewhere#{other}"));
    let since = || world.since(before);
    wait_until("the page's tries", || since().contains(&"POST /report/tried".to_owned()));
    // A link leads anywhere.
    wait_until("the link", || since().contains(&"GET /linked".to_owned()));
    let mut hits: Vec<String> = since().into_iter().filter(|line| line.contains("hit")).collect();
    hits.sort();
    hits
}

#[test]
fn a_page_acts_at_no_other_interface_but_where_it_is_named() {
    let world = World::new();
    let (_web, own) = world.listening("alice");
    let declare = |name: &str, options: &str| {
        let url = format!("{}{options}", world.backend.url());
        world.gateway.owner(&["interface", "add", &format!("box/{name}"), &url]);
    };
    declare("other", "");
    declare("friend", &format!("?origins=http://{own}"));
    let rules =
        "p, user/alice, box, other/**, *, , allow\np, user/alice, box, friend/**, *, , allow";
    world.gateway.rules(&format!("{RULES}\n{rules}"));
    let (_other, other) = world.gateway.listening("alice", "box/other");
    assert_eq!(tried(&world, "browser", own, other), [""; 0]);
    let refused = world.gateway.await_record("a refusal", |record| {
        record["event"] == "operation-refused" && record["path"] == "other/hit/post"
    });
    assert_eq!(
        (&refused["reason"], &refused["action"], &refused["subject"]),
        (&"cross-origin".into(), &"post".into(), &"user/alice".into())
    );
    let (_friend, friend) = world.gateway.listening("alice", "box/friend");
    let hits = [
        "GET /hit/frame",
        "GET /hit/get",
        "GET /hit/image",
        "GET /hit/script",
        "GET /ws/hit",
        "OPTIONS /hit/put",
        "POST /hit/form",
        "POST /hit/post",
    ];
    assert_eq!(tried(&world, "second", own, friend), hits);
}

#[test]
fn what_pages_of_elsewhere_ask_is_refused_at_every_door_and_recorded() {
    let world = World::new();
    world.gateway.owner(&[
        "interface",
        "add",
        "box/named",
        &format!("{}?origins=https://ha.example|http://ha.lan:8123", world.backend.url()),
    ]);
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, named/**, *, , allow"));
    let (_alice, at) = world.listening("alice");
    let doors = || {
        [
            ("name", world.curl("alice", "/act")),
            ("proxy", world.proxied("alice", "/act")),
            ("agent", local(at, "/act")),
            ("agent, h2", with(local(at, "/act"), &["--http2-prior-knowledge"])),
        ]
    };
    for fields in [
        &["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"][..],
        &["Sec-Fetch-Site: same-site", "Origin: https://other--box.doorward.home.arpa"],
        &["Origin: https://evil.example"],
        &["Origin: null"],
    ] {
        for (door, curl) in doors() {
            let before = world.backend.lines().len();
            let mut curl = with(curl, &["-i", "-d", "a=b"]);
            for field in fields {
                curl.args(["-H", field]);
            }
            let told = run(curl).ok();
            assert!(
                told.contains(" 403 ") && told.contains("origins="),
                "{door} {fields:?}: {told}"
            );
            assert!(told.contains("application/problem+json"), "{door} {fields:?}: {told}");
            assert_eq!(world.since(before), [""; 0], "{door} {fields:?}");
        }
    }
    let refused = |record: &serde_json::Value| record["event"] == "operation-refused";
    let refused = world.gateway.await_record("a refusal", refused);
    assert_eq!(
        (&refused["reason"], &refused["action"], &refused["path"], &refused["rules"]),
        (&"cross-origin".into(), &"post".into(), &"web/act".into(), &serde_json::Value::Null)
    );
    // Its own pages, links, programs, and pages that are named.
    for (door, curl, origin) in [
        ("name", world.curl("alice", "/act"), format!("https://web--box.{DOMAIN}")),
        ("proxy", world.proxied("alice", "/act"), format!("http://web--box.{DOMAIN}")),
        ("agent", local(at, "/act"), format!("http://{at}")),
    ] {
        let origin = format!("Origin: {origin}");
        let told = run(with(curl, &["-d", "a=b", "-H", &origin])).ok();
        assert_eq!(told, "POST /act\n", "{door}");
    }
    let link = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: navigate"];
    let link = [&link[..], &["-H", "Sec-Fetch-Dest: document"]].concat();
    assert_eq!(run(with(world.curl("alice", "/act"), &link)).ok(), "GET /act\n");
    for (origin, expected) in
        [("https://ha.example", "POST /act\n"), ("http://ha.lan:8123", "POST /act\n")]
    {
        let curl = world.curl_at("named--box", "alice", "/act");
        let fields = ["-d", "a", "-H", "Sec-Fetch-Site: cross-site", "-H"];
        let told = run(with(with(curl, &fields), &[&format!("Origin: {origin}")])).ok();
        assert_eq!(told, expected, "{origin}");
    }
}

#[test]
fn queries_are_on_record_and_a_part_of_them_is_decided() {
    let world = World::with("?mask=token|password");
    for (name, options) in [("quiet", "?query=off"), ("relay", "?operand=query:cmd")] {
        let url = format!("{}{options}", world.backend.url());
        world.gateway.owner(&["interface", "add", &format!("box/{name}"), &url]);
    }
    let rules = "p, user/bob, box, quiet/**, get, , allow\n\
                 p, user/bob, box, relay/set, get, , allow\n\
                 p, user/bob, box, relay/set/@cmd=status, get, , allow\n\
                 p, user/bob, box, relay/set/@cmd=on%2520now, get, , allow\n\
                 p, user/bob, box, relay/any/*, get, , allow\n\
                 p, user/bob, box, relay/any/@cmd=reboot, get, , deny\n\
                 p, user/bob, box, relay/off/**, get, , allow\n\
                 p, user/bob, box, relay/off/now, get, , deny";
    world.gateway.rules(&format!("{RULES}\n{rules}"));
    let ask = |door: &str, path: &str| {
        let curl = world.curl_at(&format!("{door}--box"), "bob", path);
        run(with(curl, &["-o", "/dev/null", "-w", "%{http_code}"])).ok()
    };
    assert_eq!(ask("web", "/pub/a?x=1&Token=abc;password=d"), "200");
    assert_eq!(ask("web", "/pub/a?x=2"), "200");
    assert_eq!(ask("web", "/private?x=1&token=abc"), "403");
    assert_eq!(ask("web", "/pub/../a?token=abc"), "400");
    assert_eq!(ask("quiet", "/a?x=1"), "200");
    for (path, status) in [
        ("/set", "200"),
        ("/set?x=1", "200"),
        ("/set?cmd=status", "200"),
        ("/set?x=1&cmd=status", "200"),
        ("/set?cmd=on%20now", "200"),
        // A plus sign is one to some, which is not permitted.
        ("/set?cmd=on+now", "403"),
        ("/set?cmd=reboot", "403"),
        ("/set?cmd=", "403"),
        ("/set?cmd", "403"),
        ("/set?cmd=status&cmd=reboot", "400"),
        ("/set?cmd=status&CMD=reboot", "400"),
        ("/set?%63md=reboot", "400"),
        ("/set?x=1;cmd=reboot", "400"),
        ("/set?x=1%26cmd=reboot", "400"),
        ("/set?cmd[]=reboot", "400"),
        ("/set/@cmd=status", "400"),
        ("/set/%40cmd=status", "400"),
        ("/any?cmd=on", "200"),
        ("/any?cmd=reboot", "403"),
        ("/any?cmd=%72eboot", "403"),
        ("/any?cmd=REBOOT", "403"),
        ("/any", "403"),
        // A path that is denied is denied with every value, too.
        ("/off?cmd=reboot", "200"),
        ("/off/later?cmd=reboot", "200"),
        ("/off/now", "403"),
        ("/off/now?x=1", "403"),
        ("/off/now?cmd=reboot", "403"),
    ] {
        let before = world.backend.lines().len();
        assert_eq!(ask("relay", path), status, "{path}");
        let reached = if status == "200" { vec![format!("GET {path}")] } else { vec![] };
        assert_eq!(world.since(before), reached);
    }
    let check = world
        .gateway
        .run("owner", &["policy", "check", "user/bob", "get", "box/relay/set/@cmd=reboot"]);
    assert_eq!(check.status, Some(3), "{check:?}");
    let why = world.gateway.owner_json(&[
        "policy",
        "explain",
        "user/bob",
        "get",
        "box/relay/off/now/@cmd=reboot",
    ]);
    assert_eq!((&why["permit"], &why["refusal"]), (&false.into(), &"denied-by-rule".into()));
    let record = |path: &str, query: &serde_json::Value| {
        world.gateway.await_record(path, |record| {
            let event = record["event"].as_str().unwrap_or_default();
            event.starts_with("operation") && record["path"] == path && record["query"] == *query
        })
    };
    // Two that differ in their query alone are two.
    assert_eq!(record("web/pub/a", &"x=1&Token=***;password=***".into())["event"], "operation");
    assert_eq!(record("web/pub/a", &"x=2".into())["event"], "operation");
    assert_eq!(record("web/private", &"x=1&token=***".into())["event"], "operation-refused");
    assert_eq!(record("/pub/../a", &"token=***".into())["event"], "operation-refused");
    assert_eq!(record("quiet/a", &serde_json::Value::Null)["event"], "operation");
    let permitted = record("relay/set/@cmd=status", &"cmd=status".into());
    assert_eq!(permitted["event"], "operation");
    let refused = record("relay/set/@cmd=reboot", &"cmd=reboot".into());
    assert_eq!(
        (&refused["event"], &refused["reason"]),
        (&"operation-refused".into(), &"no-rule".into())
    );
    let shown = world.gateway.owner(&["audit", "tail", "-n", "200"]);
    assert!(shown.contains("query=cmd=reboot"), "{shown}");
}

#[test]
fn an_interface_keeps_a_claim_that_it_names() {
    let world = World::with("?keep=X-User-Id");
    let claims = ["-H", "X-User-Id: 7", "-H", "X_User_Id: 8", "-H", "X-User: 9"];
    let head = run(with(world.curl("alice", "/head"), &claims)).ok().to_lowercase();
    assert!(head.contains("x-user-id: 7\r\n"), "{head}");
    assert!(!head.contains("x_user_id") && !head.contains("x-user:"), "{head}");
    for (name, why) in [
        ("Doorward-Identity", "no option"),
        ("Host", "changes nothing"),
        ("X-HTTP-Method-Override", "changes nothing"),
        ("Accept", "changes nothing"),
    ] {
        let url = format!("{}?keep={name}", world.backend.url());
        let refused = world.gateway.run("owner", &["interface", "add", "box/kept", &url]).failed();
        assert!(refused.contains(why), "{name}: {refused}");
    }
}

/// Chromium, at a page that listens to events and talks by WebSocket.
fn a_browser_is_served(world: &World, browser: Browser, page: &str) {
    let _browser = browser.open(page);
    let reported = |what: &str| {
        let line = format!("POST /report/{what}");
        wait_until(what, || world.backend.lines().contains(&line));
    };
    reported("events");
    reported("said-hello");
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/ws/**, connect, , deny"));
    reported("closed-1006-false");
    world.gateway.rules(&format!("{RULES}\np, user/alice, box, web/sse/**, *, , deny"));
    reported("events-error");
}

#[test]
fn a_browser_hears_events_and_talks_until_it_may_not() {
    let world = World::new();
    let (_alice, at) = world.listening("alice");
    let browser = Browser::new(&world.gateway.dir().join("browser"));
    a_browser_is_served(&world, browser, &format!("http://{at}/page"));
}

#[test]
fn a_browser_with_a_certificate_does_so_by_name() {
    let world = World::new();
    let (at, identity) = (world.gateway.listen, world.gateway.identity("alice"));
    let browser = Browser::new(&world.gateway.dir().join("browser")).with_identity(&identity, at);
    let page = format!("https://web--box.{DOMAIN}:{}/page", at.port());
    a_browser_is_served(&world, browser, &page);
}
