use crate::support::{TempDir, gateway::addresses, tools, vergate};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

#[test]
fn demo_once_calls_itself_and_exits_0() {
    let dir = TempDir::new();
    let (code, out, err) = vergate(&dir, &["demo", "--once"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("X-API-Version-Used") || out.to_lowercase().contains("x-api-version-used"), "{out}");
    assert!(!out.contains(":8080"), "nobody else calls it, so it takes no port that somebody may have: {out}");
}

struct Demo {
    _process: Process,
    data: SocketAddr,
    admin: SocketAddr,
}

/// A child that ends with its owner, also when it never says where it listens.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the demo and finds where it listens in what it prints: data first, admin second.
fn start() -> Demo {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vergate"));
    command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let (send, lines) = mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(process.0.stdout.take().unwrap()), Box::new(process.0.stderr.take().unwrap())];
    for stream in streams {
        let send = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
    }
    let mut said = Vec::new();
    let found = loop {
        let line = lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("no address in {said:?}"));
        let found = addresses(&line);
        said.push(line);
        if found.len() >= 2 {
            break found;
        }
    };
    Demo { _process: process, data: found[0], admin: *found.last().unwrap() }
}

/// The `$ curl …` lines of the README's console blocks, each with the lines shown under it.
fn readme() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let mut examples: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    let mut open = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.contains("console");
            open = false;
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_owned();
            while command.ends_with('\\') {
                command.pop();
                command.push_str(lines.next().unwrap_or_default().trim_start());
            }
            open = command.starts_with("curl ");
            if open {
                examples.push((command, Vec::new()));
            }
        } else if inside
            && open
            && let Some((_, shown)) = examples.last_mut()
        {
            shown.push(line.to_owned());
        }
    }
    for (_, shown) in &mut examples {
        while shown.last().is_some_and(|l| l.trim().is_empty()) {
            shown.pop();
        }
    }
    examples
}

#[test]
fn the_answers_shown_in_the_readme_are_what_the_demo_gives() {
    let examples = readme();
    assert!(examples.len() >= 2, "the README shows curl lines in ```console blocks: {examples:?}");
    let demo = start();
    for (command, shown) in examples {
        let command = command
            .replace("localhost:8080", &demo.data.to_string())
            .replace("127.0.0.1:8080", &demo.data.to_string())
            .replace("localhost:9901", &demo.admin.to_string())
            .replace("127.0.0.1:9901", &demo.admin.to_string());
        let output = tools::shell(&command);
        let got = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        let got: Vec<&str> = got.lines().map(str::trim_end).collect();
        // Every line shown is there, in this order; `…` stands for anything, and lines may be left out.
        let mut rest = got.iter();
        for line in shown.iter().filter(|l| !matches!(l.trim(), "" | "…" | "...")) {
            let line = line
                .replace("localhost:8080", &demo.data.to_string())
                .replace("127.0.0.1:8080", &demo.data.to_string());
            let line = line.trim_end();
            assert!(rest.any(|have| matches(line, have)), "`{command}`\nshows   {line}\nbut gave:\n{}", got.join("\n"));
        }
    }
}

/// `pattern` with `…` for anything.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
