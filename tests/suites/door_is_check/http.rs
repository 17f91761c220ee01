//! HTTP, with paths in the spellings that people and browsers use.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use doorward_tests::running::PATIENCE;

use super::{Answer, Operation, Seed, Speech};

pub(super) const SPEECH: Speech =
    Speech { interface: "web", serve, rule, always: "web/ok, get", operation, client };

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                while lines.by_ref().take_while(|line| !line.is_empty()).count() > 0 {
                    drop(writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
                }
            });
        }
    });
    format!("http://{at}")
}

fn rule(seed: &mut Seed) -> String {
    const WORDS: [&str; 12] = [
        "a",
        "a",
        "B",
        "b%2520c",
        "b%20c",
        "@x",
        "1-9",
        "*",
        "c+d",
        "caf%C3%A9",
        "caf%25C3%25A9",
        "e",
    ];
    let path = seed.path(&WORDS, 3);
    let tail = seed.of(&["", "/**", "/**", "/"]);
    let slash = if path.is_empty() { "" } else { "/" };
    let tail = if path.is_empty() && tail.is_empty() { "/" } else { tail };
    format!("web{slash}{path}{tail}, {}", seed.of(&["*", "get", "get|put", "delete"]))
}

fn operation(seed: &mut Seed) -> Operation {
    const WORDS: [&str; 22] = [
        "a",
        "a",
        "A",
        "B",
        "b",
        "b c",
        "b%20c",
        "b+c",
        "a;v=1",
        "a.",
        "%40x",
        "@x",
        "1-9",
        "5",
        "caf\u{e9}",
        "c%2Bd",
        "c+d",
        "e",
        "e.%20",
        "..",
        "%61",
        "100%25",
    ];
    let path = seed.path(&WORDS, 3);
    let tail = if path.is_empty() { "" } else { seed.of(&["", "", "", "/"]) };
    // The interface's name alone is its root.
    let slash = if path.is_empty() && seed.below(2) == 0 { "" } else { "/" };
    let action = seed.of(&["get", "get", "put", "delete"]);
    Operation { action, operand: format!("{slash}{path}{tail}") }
}

fn client(at: SocketAddr, operations: &[Operation]) -> Vec<Answer> {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut writer, mut reader) = (stream.try_clone().unwrap(), BufReader::new(stream));
    let answer = |operation: &Operation| {
        // What a browser sends for what a person types.
        let typed = operation.operand.replace(' ', "%20").replace('\u{e9}', "%C3%A9");
        let path = if typed.is_empty() { "/" } else { &typed };
        let method = operation.action.to_uppercase();
        write!(writer, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let head: Vec<String> = reader
            .by_ref()
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        let length = head.iter().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
        });
        let mut content = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut content).unwrap();
        match head.first().and_then(|line| line.split(' ').nth(1)) {
            Some("200") => Answer::Permitted,
            Some("403") => Answer::Denied,
            Some("400") => Answer::Refused,
            _ => panic!("{method} {path}: {head:?}"),
        }
    };
    operations.iter().map(answer).collect()
}
