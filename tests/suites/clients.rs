//! Stock clients, unchanged.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use doorward_tests::backend::{GREETING, expected};
use doorward_tests::gateway::agent;
use doorward_tests::port::reserve;
use doorward_tests::tools::{bin, program, python, script};
use doorward_tests::{Backend, Gateway, Kind, Ran};

const DOMAIN: &str = "doorward.home.arpa";
const GIB: u64 = 1 << 30;

/// A gateway with somebody who may reach its one device.
struct World {
    gateway: Gateway,
}

impl World {
    fn new(interfaces: &[(&str, &Backend)]) -> Self {
        let gateway = Gateway::start();
        for (name, backend) in interfaces {
            gateway.declare(&format!("box/{name}"), backend.url());
        }
        gateway.enrol("user/alice", &["--role", "operator"]);
        gateway.enrol("user/mallory", &[]);
        Self { gateway }
    }

    fn file(&self, who: &str, name: &str) -> String {
        self.gateway.identity(who).join(name).display().to_string()
    }

    /// curl by the interface's own name.
    fn curl(&self, who: &str, interface: &str, path: &str) -> Command {
        let mut curl = Command::new(program("curl"));
        let at = self.gateway.listen;
        curl.args(["-sS", "--connect-to", &format!("::{at}")]);
        for (option, name) in [("--cert", "cert.pem"), ("--key", "key.pem"), ("--cacert", "ca.pem")]
        {
            curl.args([option, &self.file(who, name)]);
        }
        curl.arg(format!("https://{interface}--box.{DOMAIN}{path}"));
        curl
    }

    /// curl through the gateway as an HTTPS proxy.
    fn proxied(&self, who: &str, interface: &str, path: &str) -> Command {
        let mut curl = Command::new(program("curl"));
        curl.args(["-sS", "--proxytunnel", "--proxy", &format!("https://{}", self.gateway.listen)]);
        for (option, name) in
            [("--proxy-cert", "cert.pem"), ("--proxy-key", "key.pem"), ("--proxy-cacert", "ca.pem")]
        {
            curl.args([option, &self.file(who, name)]);
        }
        curl.arg(format!("http://{interface}--box.{DOMAIN}{path}"));
        curl
    }

    fn s_client(&self, interface: &str) -> Command {
        let mut openssl = Command::new(program("openssl"));
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-connect"]);
        openssl.arg(self.gateway.listen.to_string());
        openssl.args(["-servername", &format!("{interface}--box.{DOMAIN}")]);
        for (option, name) in [("-cert", "cert.pem"), ("-key", "key.pem"), ("-CAfile", "ca.pem")] {
            openssl.args([option, &self.file("alice", name)]);
        }
        openssl
    }

    fn python(&self, interface: &str, strict: &str, say: &str) -> Command {
        let mut command = Command::new(python());
        command.arg(script("tls_read.py"));
        command
            .args([&self.gateway.listen.ip().to_string(), &self.gateway.listen.port().to_string()]);
        command.arg(format!("{interface}--box.{DOMAIN}"));
        for name in ["cert.pem", "key.pem", "ca.pem"] {
            command.arg(self.file("alice", name));
        }
        command.args([strict, say]);
        command
    }

    fn connect(&self, interface: &str) -> Command {
        let mut command = agent();
        command.args(["connect", &format!("box/{interface}"), "--stdio", "--dir"]);
        command.arg(self.gateway.identity("alice"));
        command
    }

    /// Waits until a flow is open, then takes the right away.
    fn cut(&self) {
        self.gateway.await_record("an open flow", |record| record["event"] == "flow-open");
        self.gateway.owner(&["user", "set", "alice", "--no-role", "operator"]);
    }
}

fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

/// Reads a download as it comes and compares every byte.
fn download_is_whole(mut curl: Command, bytes: u64) {
    let mut child = curl.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut read = vec![0; 64 * 1024];
    for chunk in expected(bytes) {
        let part = &mut read[..chunk.len()];
        out.read_exact(part).expect("the download is not short");
        assert!(part == chunk.as_slice(), "a byte is another");
    }
    assert_eq!(out.read(&mut read).unwrap(), 0, "the download is not long");
    assert!(child.wait().unwrap().success());
}

#[test]
fn curl_by_name_and_through_the_proxy() {
    let page = Backend::tcp(Kind::Download(20));
    let world = World::new(&[("http", &page)]);
    let body: Vec<u8> = expected(20).flatten().collect();
    let body = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(run(world.curl("alice", "http", "/")).ok(), body);
    assert_eq!(run(world.proxied("alice", "http", "/")).ok(), body);
    // --resolve instead of --connect-to.
    let at = world.gateway.listen;
    let name = format!("http--box.{DOMAIN}");
    let mut curl = Command::new(program("curl"));
    curl.args(["-sS", "--resolve", &format!("{name}:{}:{}", at.port(), at.ip())]);
    for (option, file) in [("--cert", "cert.pem"), ("--key", "key.pem"), ("--cacert", "ca.pem")] {
        curl.args([option, &world.file("alice", file)]);
    }
    curl.arg(format!("https://{name}:{}/", at.port()));
    assert_eq!(run(curl).ok(), body);

    // Refused: a reset by name, 403 through the proxy, and both are in the log.
    // Whether the reset meets curl while it sends or while it waits is a matter of time.
    let refused = run(world.curl("mallory", "http", "/"));
    assert!(matches!(refused.status, Some(55 | 56)) && refused.out.is_empty(), "{refused:?}");
    let mut curl = world.proxied("mallory", "http", "/");
    curl.arg("-i");
    let refused = run(curl);
    assert_eq!(refused.status, Some(56), "{refused:?}");
    assert!(refused.out.starts_with("HTTP/1.1 403"), "{refused:?}");
    let id = refused.out.lines().find_map(|line| line.strip_prefix("doorward-request-id: "));
    let records = world.gateway.owner(&["audit", "tail", "--flow", id.unwrap(), "--json"]);
    let record: serde_json::Value = serde_json::from_str(records.trim()).unwrap();
    assert_eq!((&record["event"], &record["reason"]), (&"flow-refused".into(), &"no-rule".into()));

    // Without --proxytunnel curl asks for forwarding, which is never done.
    let mut forward = Command::new(program("curl"));
    forward.args(["-sS", "--proxy", &format!("https://{at}")]);
    for (option, file) in
        [("--proxy-cert", "cert.pem"), ("--proxy-key", "key.pem"), ("--proxy-cacert", "ca.pem")]
    {
        forward.args([option, &world.file("alice", file)]);
    }
    forward.args(["-i", &format!("http://http--box.{DOMAIN}/")]);
    let answer = run(forward).ok();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("--proxytunnel"));
    assert_eq!(page.saw().0, 3);
}

#[test]
fn a_gibibyte_arrives_whole_by_name() {
    let large = Backend::tcp(Kind::Download(GIB));
    let world = World::new(&[("http", &large)]);
    download_is_whole(world.curl("alice", "http", "/"), GIB);
}

#[test]
fn a_gibibyte_arrives_whole_through_the_proxy() {
    let large = Backend::tcp(Kind::Download(GIB));
    let world = World::new(&[("http", &large)]);
    download_is_whole(world.proxied("alice", "http", "/"), GIB);
}

#[test]
fn two_hundred_at_once_arrive_whole() {
    const SIZE: u64 = 10_000;
    let small = Backend::tcp(Kind::Download(SIZE));
    let world = World::new(&[("http", &small)]);
    let body: Vec<u8> = expected(SIZE).flatten().collect();
    for through in ["name", "proxy"] {
        let dir = world.gateway.dir().join(through);
        fs::create_dir(&dir).unwrap();
        let mut curl = match through {
            "name" => world.curl("alice", "http", "/[1-200]"),
            _ => world.proxied("alice", "http", "/[1-200]"),
        };
        curl.args(["--parallel", "--parallel-immediate", "--parallel-max", "200"]);
        curl.arg("-o").arg(dir.join("#1"));
        let ran = run(curl);
        assert_eq!(ran.status, Some(0), "{through}: {ran:?}");
        for n in 1..=200 {
            assert!(fs::read(dir.join(n.to_string())).unwrap() == body, "{through} {n}");
        }
    }
    assert_eq!(small.saw().0, 400);
}

#[test]
fn an_upload_arrives_whole_and_half_close_passes() {
    const SIZE: u64 = 64 << 20;
    let counts = Backend::tcp(Kind::Count);
    let world = World::new(&[("count", &counts)]);
    // The backend answers only after it has seen the end of what was sent.
    let upload: Vec<u8> = expected(SIZE).flatten().collect();
    let told = Ran::fed(world.connect("count"), &upload).ok();
    assert_eq!(told, format!("{SIZE}\n"));
    // Over HTTP/2, an END_STREAM is the same.
    let told = run(python_h2(&world, &["count--box:1"])).ok();
    assert_eq!(told, "count--box:1 200 ended 26 '11\\n'\n");
    assert_eq!(counts.endings(), (2, 0), "every end was a proper one");
}

fn python_h2(world: &World, authorities: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(script("connect_h2.py"));
    let at = world.gateway.listen;
    command.args([at.ip().to_string(), at.port().to_string()]);
    for name in ["cert.pem", "key.pem", "ca.pem"] {
        command.arg(world.file("alice", name));
    }
    command.args(authorities);
    command
}

#[test]
fn connect_over_http2_by_another_implementation() {
    let echo = Backend::tcp(Kind::Echo);
    let world = World::new(&[("echo", &echo)]);
    let authorities = ["echo--box:7", "nothing--box:7", &format!("echo--box.{DOMAIN}:7")];
    let told = run(python_h2(&world, &authorities)).ok();
    let greeting = "hello from the backend\\nthrough h2\\n";
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("echo--box:7 200 ended 26 '{greeting}'"));
    assert!(lines[1].starts_with("nothing--box:7 403 ended 26 '{\"type\""), "{}", lines[1]);
    assert_eq!(lines[2], format!("echo--box.{DOMAIN}:7 200 ended 26 '{greeting}'"));
    assert_eq!(echo.endings(), (2, 0));
}

#[test]
fn openssl_and_python_talk() {
    let echo = Backend::tcp(Kind::Echo);
    let world = World::new(&[("echo", &echo)]);
    let mut child = world
        .s_client("echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "hello from the backend");
    assert_eq!(lines.next().unwrap().unwrap(), "hello");
    child.kill().unwrap();
    child.wait().unwrap();

    let page = Backend::tcp(Kind::Download(5));
    world.gateway.declare("box/http", page.url());
    let told = run(world.python("http", "strict", "GET / HTTP/1.0\r\n\r\n")).ok();
    assert!(told.contains("HTTP/1.1 200 OK") && told.ends_with("ended=end\n"), "{told}");
}

/// Whoever is cut in the middle sees an error, and never a complete transfer.
#[test]
fn a_cut_is_an_error_to_every_client() {
    let endless = Backend::tcp(Kind::Endless);
    let echo = Backend::tcp(Kind::Echo);
    let world = World::new(&[("endless", &endless), ("echo", &echo)]);
    let start = |mut command: Command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut curl = world.curl("alice", "endless", "/");
    curl.args(["-o", "/dev/null"]);
    let mut proxied = world.proxied("alice", "endless", "/");
    proxied.args(["-o", "/dev/null"]);
    let ask = "GET / HTTP/1.0\r\n\r\n";
    let clients: Vec<(&str, Child)> = vec![
        ("curl", start(curl)),
        ("curl through the proxy", start(proxied)),
        ("openssl", start(world.s_client("echo"))),
        ("python", start(world.python("endless", "strict", ask))),
        ("agent", start(world.connect("echo"))),
    ];
    // All of them are in the middle of it.
    for _ in 0..200 {
        let open = world.gateway.owner_json(&["session", "list"]);
        let of_alice = |one: &&serde_json::Value| one["subject"] == "user/alice";
        let sessions = open.as_array().unwrap().iter().filter(of_alice);
        let flowing = |flow: &serde_json::Value| flow["bytes_down"].as_u64() > Some(0);
        if sessions.filter(|one| one["flows"].as_array().unwrap().iter().any(flowing)).count() == 5
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    world.gateway.owner(&["user", "set", "alice", "--no-role", "operator"]);
    for (name, mut child) in clients {
        // Their input stays open: they end because they were cut.
        let _stdin = child.stdin.take();
        let out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            // Only the last lines matter; some of these print for as long as they run.
            let mut last = String::new();
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                last = String::from_utf8_lossy(&line).into_owned();
            }
            last
        });
        let status = child.wait().unwrap().code();
        let last = reader.join().unwrap();
        match name {
            "curl" | "curl through the proxy" => assert_eq!(status, Some(56), "{name}"),
            // Python's ssl cannot tell a reset from a missing close_notify; either is an error.
            "python" => assert!(last.ends_with("Error"), "{last}"),
            _ => assert!(status.is_some_and(|status| status != 0), "{name}: {status:?}"),
        }
    }
    echo.wait_until_quiet();
    endless.wait_until_quiet();
}

#[test]
fn a_backend_that_breaks_off_never_looks_complete() {
    let breaks = Backend::tcp(Kind::BreaksOff(1 << 20));
    let world = World::new(&[("http", &breaks)]);
    for command in [world.curl("alice", "http", "/"), world.proxied("alice", "http", "/")] {
        let mut command = command;
        command.args(["-o", "/dev/null"]);
        let status = run(command).status;
        assert_eq!(status, Some(56), "a reset, not only a length that was not reached");
    }
}

/// An sshd of our own, for whoever runs the tests.
struct Sshd {
    child: Child,
    dir: PathBuf,
    url: String,
}

impl Sshd {
    fn start(dir: &Path) -> Self {
        let keygen = |file: &str| {
            let mut command = Command::new(program("ssh-keygen"));
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(file));
            run(command).ok();
        };
        keygen("host");
        keygen("me");
        fs::copy(dir.join("me.pub"), dir.join("authorized")).unwrap();
        fs::set_permissions(dir.join("me"), fs::Permissions::from_mode(0o600)).unwrap();
        // Where sshd, started by root, wants to put its unprivileged half.
        let _ = fs::create_dir_all("/run/sshd");
        let port = reserve();
        let config = format!(
            "ListenAddress {port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nLogLevel ERROR\n",
            dir = dir.display()
        );
        fs::write(dir.join("sshd.conf"), config).unwrap();
        let mut sshd = Command::new(program("sshd"));
        sshd.args(["-D", "-e", "-f"]).arg(dir.join("sshd.conf"));
        let started = Self {
            child: sshd.spawn().unwrap(),
            dir: dir.to_owned(),
            url: format!("tcp://{port}"),
        };
        for _ in 0..200 {
            if std::net::TcpStream::connect(port).is_ok() {
                return started;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd does not answer");
    }

    /// ssh through the agent.
    fn ssh(&self, world: &World) -> Vec<String> {
        let proxy = format!(
            "{} connect box/ssh --stdio --dir {}",
            bin().join("doorward-agent").display(),
            world.gateway.identity("alice").display()
        );
        let options = [
            "-F",
            "none",
            "-i",
            &self.dir.join("me").display().to_string(),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "BatchMode=yes",
            "-o",
            &format!("ProxyCommand={proxy}"),
        ]
        .map(str::to_owned);
        let ssh = program("ssh").display().to_string();
        [ssh].into_iter().chain(options).collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn ssh_and_git_through_the_agent() {
    let world = World::new(&[]);
    let dir = world.gateway.dir().join("ssh");
    fs::create_dir(&dir).unwrap();
    let sshd = Sshd::start(&dir);
    world.gateway.declare("box/ssh", &sshd.url);
    let ssh = sshd.ssh(&world);
    let ssh_command = |words: &[&str]| {
        let mut command = Command::new(&ssh[0]);
        command.args(&ssh[1..]).arg(format!("{}@box", user())).args(words);
        command
    };

    // A long stream, and back: its hash is what it was.
    let bytes: Vec<u8> = expected(64 << 20).flatten().collect();
    let hash = Ran::fed(ssh_command(&["sha256sum"]), &bytes).ok();
    assert!(hash.starts_with(&doorward_tests::forge::sha256(&bytes)), "{hash}");

    // A repository, cloned and pushed to.
    // git hands GIT_SSH_COMMAND to a shell.
    let quoted: Vec<String> = ssh.iter().map(|word| format!("'{word}'")).collect();
    let quoted = quoted.join(" ");
    let git = |words: &[&str]| {
        let mut command = Command::new(program("git"));
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        command.env("GIT_SSH_COMMAND", &quoted);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        command.args(words).current_dir(&dir);
        run(command)
    };
    git(&["init", "-q", "-b", "main", "origin"]).ok();
    fs::write(dir.join("origin/file"), &bytes[..1 << 20]).unwrap();
    git(&["-C", "origin", "add", "."]).ok();
    git(&["-C", "origin", "commit", "-qm", "first"]).ok();
    let url = format!("ssh://{}@box{}/origin", user(), dir.display());
    git(&["clone", "-q", &url, "clone"]).ok();
    assert!(fs::read(dir.join("clone/file")).unwrap() == bytes[..1 << 20]);
    git(&["-C", "clone", "checkout", "-qb", "topic"]).ok();
    git(&["-C", "clone", "commit", "-q", "--allow-empty", "-m", "second"]).ok();
    git(&["-C", "clone", "push", "-q", "origin", "topic"]).ok();

    // Cut in the middle, ssh and git fail.
    let mut shell = ssh_command(&["echo begun; sleep 60; echo done"]);
    let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "begun");
    world.cut();
    assert_eq!(child.wait().unwrap().code(), Some(255));
    assert!(lines.next().is_none());
    let refused = git(&["clone", "-q", &url, "refused"]);
    assert_eq!(refused.status, Some(128), "{refused:?}");
}

#[test]
fn git_over_https_by_name() {
    let world = World::new(&[]);
    let dir = world.gateway.dir().join("git");
    fs::create_dir(&dir).unwrap();
    let git = |words: &[&str]| {
        let mut command = Command::new(program("git"));
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        // It would win over http.sslCAInfo.
        command.env_remove("GIT_SSL_CAINFO");
        command.args(words).current_dir(&dir);
        run(command)
    };
    git(&["init", "-q", "-b", "main", "work"]).ok();
    fs::write(dir.join("work/file"), "content").unwrap();
    git(&["-C", "work", "add", "."]).ok();
    git(&["-C", "work", "commit", "-qm", "first"]).ok();
    git(&["clone", "-q", "--bare", "work", "served.git"]).ok();
    git(&["-C", "served.git", "update-server-info"]).ok();
    let port = reserve();
    let mut server = Command::new(python());
    server.args(["-m", "http.server", "--bind", "127.0.0.1", &port.port().to_string()]);
    server.current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = server.spawn().unwrap();
    while std::net::TcpStream::connect(port).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.gateway.declare("box/repo", &format!("tcp://{port}"));

    let at = world.gateway.listen;
    let name = format!("repo--box.{DOMAIN}");
    let clone = |who: &str, into: &str| {
        let set = |name: &str, value: String| format!("http.{name}={value}");
        let settings = [
            set("sslCert", world.file(who, "cert.pem")),
            set("sslKey", world.file(who, "key.pem")),
            set("sslCAInfo", world.file(who, "ca.pem")),
            set("curloptResolve", format!("{name}:{}:{}", at.port(), at.ip())),
        ];
        let mut words: Vec<&str> = vec![];
        settings.iter().for_each(|one| words.extend(["-c", one.as_str()]));
        let url = format!("https://{name}:{}/served.git", at.port());
        words.extend(["clone", "-q", &url, into]);
        git(&words)
    };
    clone("alice", "cloned").ok();
    assert_eq!(fs::read_to_string(dir.join("cloned/file")).unwrap(), "content");
    assert_eq!(clone("mallory", "refused").status, Some(128));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn the_agent_listens_for_local_programs() {
    let echo = Backend::tcp(Kind::Echo);
    let page = Backend::tcp(Kind::Download(7));
    let world = World::new(&[("echo", &echo), ("http", &page)]);
    let socket = world.gateway.dir().join("door.sock");
    let mut unix = agent();
    unix.args(["connect", "box/http", "--dir"]).arg(world.gateway.identity("alice"));
    unix.arg("--listen").arg(format!("unix:{}", socket.display()));
    let mut unix = unix.spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let body: Vec<u8> = expected(7).flatten().collect();
    let mut curl = Command::new(program("curl"));
    curl.args(["-sS", "--unix-socket"]).arg(&socket).arg("http://anything/");
    assert_eq!(run(curl).ok().as_bytes(), body);
    doorward_tests::gateway::signal(&unix, "TERM");
    assert!(unix.wait().unwrap().success());
    assert!(!socket.exists(), "it goes with its listener");

    let port = reserve();
    let mut tcp = agent();
    tcp.args(["connect", "box/echo", "--listen", &port.to_string(), "--open", "--dir"]);
    let mut tcp = tcp.arg(world.gateway.identity("alice")).spawn().unwrap();
    let mut stream = loop {
        match std::net::TcpStream::connect(port) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut hello = vec![0; GREETING.len()];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(hello, GREETING);
    // A cut reaches the local program as a reset.
    world.cut();
    let cut = stream.read(&mut hello).unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);
    tcp.kill().unwrap();
    tcp.wait().unwrap();

    for (address, why) in [("0.0.0.0:0", "other machines"), ("127.0.0.1:0", "--open")] {
        let mut refused = agent();
        refused.args(["connect", "box/echo", "--listen", address, "--dir"]);
        let ran = Ran::of(refused.arg(world.gateway.identity("alice")).output().unwrap());
        assert_eq!(ran.status, Some(2), "wrong usage: {ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
    }
}
