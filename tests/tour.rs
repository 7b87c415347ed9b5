use crate::{
    demo::matches,
    support::{Gateway, TempDir, Upstream, tools, vergate},
};
use std::process::Command;

/// The fenced blocks of the README's tour: language and lines.
fn blocks() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let tour = text.split("\n## A tour\n").nth(1).expect("the README has a tour").split("\n## ").next().unwrap();
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in tour.lines() {
        match line.strip_prefix("```") {
            Some(language) if !inside => {
                blocks.push((language.to_owned(), Vec::new()));
                inside = true;
            }
            Some(_) => inside = false,
            None if inside => blocks.last_mut().unwrap().1.push(line.to_owned()),
            None => {}
        }
    }
    blocks
}

/// A block of yaml put where the prose says: a whole file, the version it replaces, or everything from `versions:` on.
fn edited(file: &str, block: &[String]) -> String {
    let block = block.join("\n");
    if block.contains("\napis:") {
        return block;
    }
    if block.starts_with("    versions:") {
        return format!("{}{block}\n", &file[..file.find("    versions:").unwrap()]);
    }
    let first = block.lines().next().unwrap();
    let old = file.lines().find(|l| l.starts_with(first.trim_end())).expect("the version that is replaced");
    file.replace(old, &block)
}

/// Commands and what is shown under each.
fn commands(block: &[String]) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in block {
        match line.strip_prefix("$ ") {
            Some(command) => found.push((command.to_owned(), Vec::new())),
            None => {
                if let Some((_, shown)) = found.last_mut() {
                    shown.push(line.clone());
                }
            }
        }
    }
    found
}

#[track_caller]
fn shows(command: &str, shown: &[String], output: &str) {
    let mut rest = output.lines().map(str::trim_end);
    for line in shown.iter().map(|l| l.trim_end()).filter(|l| !l.is_empty()) {
        assert!(rest.any(|have| matches(line, have)), "`{command}`\nshows   {line}\nbut gave:\n{output}");
    }
}

#[test]
fn every_step_of_the_readmes_tour_works_as_shown() {
    let one = Upstream::json(r#"{"id": 7, "status": "paid", "total": "12.50"}"#);
    let two = Upstream::json(r#"{"id": 7, "state": "paid", "total": 12.50, "currency": "EUR"}"#);
    let local = |file: &str| {
        file.replace("http://127.0.0.1:3001", &one.url())
            .replace("http://127.0.0.1:3002", &two.url())
            .replace("listen: 127.0.0.1:8080\n", "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n")
    };
    let mut file = String::new();
    let mut gateway: Option<Gateway> = None;
    let mut run = 0;
    for (language, block) in blocks() {
        if language == "yaml" {
            file = edited(&file, &block);
            match &gateway {
                None => gateway = Some(Gateway::start(&local(&file))),
                Some(gateway) => gateway.reload(&local(&file)),
            }
            continue;
        }
        let gateway = gateway.as_ref().expect("the tour begins with a file");
        for (command, shown) in commands(&block) {
            // Mistakes are shown on a file of their own; counters and times depend on the day.
            let varies = ["/metrics", "/reload"].iter().any(|path| command.contains(path));
            if varies || command == "vergate run" || shown.iter().any(|l| l.contains(": error: ")) {
                continue;
            }
            let output = if command.starts_with("vergate ") {
                let dir = TempDir::new();
                dir.write("gateway.yaml", &file);
                let args = Command::new("bash")
                    .args(["-c", &format!("printf '%s\\n' {}", command.trim_start_matches("vergate "))])
                    .output()
                    .unwrap();
                let args = String::from_utf8(args.stdout).unwrap();
                let (code, out, err) = vergate(&dir, &args.lines().collect::<Vec<_>>());
                assert_eq!(code, 0, "{command}: {out}{err}");
                out + &err
            } else {
                let here = command
                    .replace("127.0.0.1:8080", &gateway.addr().to_string())
                    .replace("127.0.0.1:9901", &gateway.admin.to_string());
                let output = tools::shell(&here);
                String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
            };
            shows(&command, &shown, &output);
            run += 1;
        }
    }
    assert!(run >= 8, "only {run} commands were found");
    assert_eq!(one.requests().len() + two.requests().len(), 5, "which service answered is part of the tour");
}
