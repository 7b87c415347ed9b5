use std::path::Path;

/// The words between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_and_file_that_the_table_of_standards_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/standards.md")).expect("docs/standards.md");
    let rows: Vec<_> = text.lines().filter(|l| l.starts_with("| ")).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        for word in quoted(row) {
            if let Some((file, test)) = word
                .split_once("::")
                .filter(|(f, _)| f.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
            {
                let path = root.join("tests").join(format!("{file}.rs"));
                let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{word}: {e}"));
                assert!(source.contains(&format!("fn {test}(")), "{word} does not exist");
            } else if word.ends_with(".rs") || word.starts_with("pipeline/") || word.starts_with("adaptation") {
                assert!(root.join("src").join(word).exists(), "src/{word} does not exist");
            }
        }
    }
}
