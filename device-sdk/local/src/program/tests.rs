//! Tests with real programs, and with the processes they start.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout};

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// The entry point of this test binary as a keeper.
#[test]
fn keeper() {
    let kept = crate::keep_programs(&["--exact", "program::tests::keeper", "--test-threads=1"]);
    assert!(kept.is_none_or(|code| code == std::process::ExitCode::SUCCESS));
}

async fn started(program: &str, arguments: &[&str]) -> io::Result<Program> {
    keeper();
    let real = std::fs::canonicalize(program)?;
    let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
    Program::start(&real, Path::new(program), &arguments).await
}

async fn shell(script: &str) -> Program {
    started("/bin/sh", &["-c", script]).await.unwrap()
}

async fn until(is: impl Fn() -> bool) {
    let is = async {
        while !is() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, is).await.unwrap();
}

fn runs(id: &str) -> bool {
    Path::new("/proc").join(id).exists()
}

/// Waits until there is no process `id`, not even a zombie.
async fn reaped(id: &str) {
    until(|| !runs(id)).await;
}

/// Returns the first lines of a program's output: process ids.
async fn says(program: &mut Program, lines: usize) -> Vec<String> {
    let mut reader = BufReader::new(program).lines();
    let mut found = vec![];
    for _ in 0..lines {
        found.push(timeout(SOON, reader.next_line()).await.unwrap().unwrap().unwrap());
    }
    found
}

/// How a flow ends.
#[derive(Clone, Copy, Debug)]
enum Over {
    Ended,
    Reset,
    Dropped,
}

async fn over(how: Over, mut program: Program) {
    match how {
        Over::Ended => assert_eq!(timeout(SOON, program.end()).await.unwrap(), None),
        Over::Reset => {
            program.reset();
            let mut rest = Vec::new();
            drop(timeout(SOON, program.read_to_end(&mut rest)).await.unwrap());
            drop(program);
        }
        Over::Dropped => drop(program),
    }
}

#[tokio::test]
async fn input_output_and_a_half_close_pass() {
    let script = "cat; echo \"$PATH|$LANG|$HOME|$(pwd)|$0\"; env | sort | head -1; echo lost >&2";
    let mut cat = shell(script).await;
    cat.write_all(b"hello\n").await.unwrap();
    cat.shutdown().await.unwrap();
    let mut all = String::new();
    timeout(SOON, cat.read_to_string(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, "hello\n/usr/bin:/bin|C.UTF-8||/|/bin/sh\nLANG=C.UTF-8\n");
    assert!(cat.write_all(b"more").await.is_err());
}

#[tokio::test]
async fn much_passes_both_ways() {
    let mut cat = shell("cat").await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = tokio::io::split(&mut cat);
    let mut all = Vec::new();
    let sent = async {
        write.write_all(&bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(sent, read.read_to_end(&mut all)) };
    timeout(SOON, both).await.unwrap().1.unwrap();
    assert!(all == bytes, "{} of {} bytes", all.len(), bytes.len());
}

#[tokio::test]
async fn a_status_that_is_not_0_is_no_proper_end() {
    for (script, says) in
        [("echo x; exit 3", "with status 3"), ("echo x; kill -9 $$", "by signal 9")]
    {
        let mut stream = shell(script).await;
        let mut all = Vec::new();
        let error = timeout(SOON, stream.read_to_end(&mut all)).await.unwrap().unwrap_err();
        assert_eq!((all.as_slice(), error.to_string().contains(says)), (&b"x\n"[..], true));
        let end = stream.read(&mut [0; 8]).await.unwrap();
        assert_eq!(end, 0);
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    keeper();
    for (path, kind) in [
        (dir.path().join("none"), io::ErrorKind::NotFound),
        (plain, io::ErrorKind::PermissionDenied),
    ] {
        let error = Program::start(&path, &path, &[]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// Ways in which a process can hide from its program. Each script prints the ids of its processes.
const ESCAPES: [(&str, &str); 7] = [
    ("a child", "echo $$; sleep 1000 & echo $!; wait"),
    ("a session of its own", "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000"),
    ("an orphan", "(setsid sh -c 'echo $$; exec sleep 1000' &) ; sleep 1000"),
    (
        "an orphan with nothing of its parents",
        "(env -i setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' &); sleep 1000",
    ),
    (
        "one that ignores signals",
        "(setsid sh -c 'trap \"\" HUP TERM INT QUIT; echo $$; while :; do sleep 1; done' &); sleep 1000",
    ),
    (
        "an orphan of a leader that has ended",
        "(setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' &); exit 0",
    ),
    ("one that is stopped", "sh -c 'echo $$; kill -STOP $$; sleep 1000' & sleep 1000"),
];

#[tokio::test]
async fn nothing_that_a_program_has_started_outlives_it() {
    for (what, script) in ESCAPES {
        for how in [Over::Ended, Over::Reset, Over::Dropped] {
            let mut program = shell(script).await;
            let lines = script.matches("echo $").count();
            let found = says(&mut program, lines).await;
            assert!(found.iter().all(|id| runs(id)), "{what}: {found:?}");
            over(how, program).await;
            for id in &found {
                if matches!(how, Over::Ended) {
                    assert!(!runs(id), "{what}: {id} runs on");
                }
                reaped(id).await;
            }
        }
    }
}

/// A typical daemon: two forks, its own session, no open files.
#[tokio::test]
async fn a_daemon_does_not_outlive_its_program() {
    let daemon = "import os, sys, time\n\
                  sys.stdout.flush()\n\
                  if os.fork() == 0:\n\
                  \x20   os.setsid()\n\
                  \x20   if os.fork() == 0:\n\
                  \x20       os.write(1, b'%d\\n' % os.getpid())\n\
                  \x20       os.closerange(0, 256)\n\
                  \x20       time.sleep(1000)\n\
                  \x20   os._exit(0)\n\
                  os.wait()\n\
                  time.sleep(1000)";
    let mut program = started("/usr/bin/python3", &["-c", daemon]).await.unwrap();
    let found = says(&mut program, 1).await;
    assert!(found.iter().all(|id| runs(id)));
    assert_eq!(program.end().await, None);
    assert!(!runs(&found[0]));
}

/// A program that forks and exits without pause, each time in a new session.
#[tokio::test]
async fn nothing_is_started_faster_than_it_is_ended() {
    let runner = "import os\n\
                  os.write(1, b'%d\\n' % os.getpid())\n\
                  while True:\n\
                  \x20   if os.fork():\n\
                  \x20       os._exit(0)\n\
                  \x20   os.setsid()";
    let bomb = "import os\n\
                os.write(1, b'%d\\n' % os.getpid())\n\
                for _ in range(6):\n\
                \x20   os.fork()\n\
                while True:\n\
                \x20   pid = os.fork()\n\
                \x20   if pid == 0:\n\
                \x20       os._exit(0)\n\
                \x20   os.waitpid(pid, 0)";
    for (name, script) in [("runner", runner), ("bomb", bomb)] {
        let mark = format!("{name}-of-{}", std::process::id());
        let mut program = started("/usr/bin/python3", &["-c", script, &mark]).await.unwrap();
        says(&mut program, 1).await;
        sleep(Duration::from_millis(200)).await;
        let begin = Instant::now();
        assert_eq!(timeout(SOON, program.end()).await.unwrap(), None, "{name}");
        assert!(begin.elapsed() < END, "{name}: {:?}", begin.elapsed());
        assert_eq!(bearing(&mark), 0, "{name}");
    }
}

/// Returns how many processes have this argument.
fn bearing(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())).count()
}

#[tokio::test]
async fn programs_that_run_at_once_do_not_end_each_other() {
    // A bystander: a child of this process that no keeper started.
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let script = "(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null' &); echo $$; exec sleep 1000";
    let mut programs = vec![];
    for _ in 0..3 {
        let mut program = shell(script).await;
        let found = says(&mut program, 2).await;
        programs.push((program, found));
    }
    while let Some((program, found)) = programs.pop() {
        assert_eq!(program.end().await, None);
        assert!(!found.iter().any(|id| runs(id)));
        for (_, others) in &programs {
            assert!(others.iter().all(|id| runs(id)), "{others:?}");
        }
        assert!(bystander.try_wait().unwrap().is_none(), "the bystander runs");
    }
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test]
async fn orphans_that_end_while_the_program_runs_are_reaped() {
    let script = "for _ in 1 2 3 4 5; do (sh -c 'echo $$' &); done; exec sleep 1000";
    let mut program = shell(script).await;
    for id in says(&mut program, 5).await {
        reaped(&id).await;
    }
    assert_eq!(program.end().await, None);
}

#[tokio::test]
async fn a_keeper_that_is_gone_is_told() {
    let mut program = shell("echo $PPID; echo $$; exec sleep 1000").await;
    let found = says(&mut program, 2).await;
    let id = |text: &String| rustix::process::Pid::from_raw(text.parse().unwrap()).unwrap();
    rustix::process::kill_process(id(&found[0]), rustix::process::Signal::KILL).unwrap();
    let left = timeout(SOON, program.end()).await.unwrap();
    assert!(left.is_some_and(|left| left.contains("may run on")));
    rustix::process::kill_process(id(&found[1]), rustix::process::Signal::KILL).unwrap();
}
