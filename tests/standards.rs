use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the tables in a document.
fn rows(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs").join(document)).unwrap();
    text.lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect()
}

/// The words between backquotes, each with what stands behind it up to the next.
fn quoted(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    let behind = |at: usize| parts.get(at + 1).copied().unwrap_or("");
    (1..parts.len()).step_by(2).map(|at| (parts[at], behind(at))).collect()
}

/// The source of `src/path`, and of the tests beside it.
fn source(path: &str) -> String {
    let file = root().join("src").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("src/{path}: {e}"));
    text + &std::fs::read_to_string(file.with_extension("").join("tests.rs")).unwrap_or_default()
}

#[track_caller]
fn test_exists(word: &str) {
    let Some((file, test)) = word.split_once("::") else { panic!("{word} names no test") };
    let text = match file.ends_with(".rs") {
        true => source(file),
        false => {
            let path = root().join("tests").join(format!("{file}.rs"));
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{word}: {e}"))
        }
    };
    assert!(text.contains(&format!("fn {test}(")), "{word} does not exist");
}

#[test]
fn every_test_and_file_that_the_table_of_standards_names_exists() {
    let rows = rows("standards.md");
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        for (word, _) in quoted(&row) {
            let is_test =
                |file: &str| file.ends_with(".rs") || file.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            if word.split_once("::").is_some_and(|(file, _)| is_test(file)) {
                test_exists(word);
            } else if word.ends_with(".rs") || word.starts_with("pipeline/") || word.starts_with("adaptation") {
                assert!(root().join("src").join(word).exists(), "src/{word} does not exist");
            }
        }
    }
}

#[test]
fn every_risk_names_code_and_tests_that_exist() {
    let table: Vec<_> = rows("security.md").into_iter().filter(|row| row.matches('|').count() == 6).collect();
    let risks: Vec<_> = table.iter().filter(|row| row[2..].starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(risks.len(), 21, "one row for each risk");
    for (index, row) in risks.iter().enumerate() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1], (index + 1).to_string());
        let places = quoted(cells[4]);
        assert!(!places.is_empty(), "risk {} names no code", index + 1);
        for (path, functions) in places {
            let text = source(path);
            for function in functions.split([',', ';']).map(str::trim).filter(|name| !name.is_empty()) {
                assert!(text.contains(&format!("fn {function}")), "src/{path} has no fn {function}");
            }
        }
        let tests = quoted(cells[5]);
        assert!(!tests.is_empty(), "risk {} names no test", index + 1);
        tests.iter().for_each(|(word, _)| test_exists(word));
    }
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    for document in ["security.md", "standards.md", "fuzzing.md"] {
        let text = std::fs::read_to_string(root().join("docs").join(document)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let there = path.is_empty() || path.contains("://") || root().join("docs").join(path).exists();
            assert!(there, "{document} links to {link}");
        }
    }
}
