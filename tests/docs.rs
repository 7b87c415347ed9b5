use crate::support::{TempDir, vergate};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn docs(dir: &TempDir, more: &[&str]) -> (i32, String, String) {
    let gateway = format!("{ROOT}/gateway.yaml");
    vergate(dir, &[&["docs", "-c", &gateway, "--api", "query-parser"][..], more].concat())
}

#[test]
fn the_shipped_texts_are_up_to_date() {
    let dir = TempDir::new();
    let shipped = format!("{ROOT}/docs/example");
    let (code, out, err) = docs(&dir, &["--out", &shipped, "--check"]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "", ""),
        "run `vergate docs --api query-parser --out docs/example`"
    );
}

#[test]
fn check_names_what_is_stale_and_writing_mends_it() {
    let dir = TempDir::new();
    let (code, out, _) = docs(&dir, &["--out", "d", "--check"]);
    assert_eq!(code, 1);
    assert!(out.contains("d/query-parser/changelog.md is missing; run `vergate docs --out d`"), "{out}");
    let (code, out, _) = docs(&dir, &["--out", "d"]);
    assert_eq!(code, 0);
    assert!(out.contains("d/query-parser/1.0-to-2.0.md\n"), "{out}");
    assert_eq!(docs(&dir, &["--out", "d", "--check"]).0, 0);
    dir.write("d/query-parser/changelog.md", "by hand");
    let (code, out, _) = docs(&dir, &["--out", "d", "--check"]);
    assert_eq!((code, out.lines().count()), (1, 1), "{out}");
    assert!(out.contains("changelog.md is not up to date"), "{out}");
    assert_eq!(docs(&dir, &["--out", "d"]).1, "d/query-parser/changelog.md\n");
    // A version that is gone leaves its texts behind; other files may lie beside them.
    for name in ["0.9-to-1.0.md", "openapi-0.9.json", "how-to-begin.md", "notes.md"] {
        dir.write(&format!("d/query-parser/{name}"), "old");
    }
    let (code, out, _) = docs(&dir, &["--out", "d", "--check"]);
    let gone = ["0.9-to-1.0.md", "openapi-0.9.json"];
    let expected = gone.map(|name| format!("d/query-parser/{name} belongs to nothing any more; delete it\n")).concat();
    assert_eq!((code, out), (1, expected));
    assert_eq!(docs(&dir, &["--out", "d"]).0, 0);
    gone.iter().for_each(|name| std::fs::remove_file(dir.path("d/query-parser").join(name)).unwrap());
    assert_eq!(docs(&dir, &["--out", "d", "--check"]).0, 0);
}

#[test]
fn an_older_document_is_derived_that_breaks_nobody_who_keeps_the_written_one() {
    let dir = TempDir::new();
    let written = format!("{ROOT}/openapi/query-parser-1.0.yaml");
    let (code, out, err) = docs(&dir, &["--openapi", "1.0"]);
    assert_eq!((code, err.as_str()), (0, ""));
    dir.write("derived.json", &out);
    for line in [["diff", &written, "derived.json"], ["diff", "derived.json", &written]] {
        let (code, out, err) = vergate(&dir, &line);
        assert_eq!((code, out.as_str()), (0, ""), "{line:?} {err}");
    }
    let json: Value = serde_json::from_str(&docs(&dir, &["--openapi", "1.0", "--json"]).1).unwrap();
    assert_eq!(json["query-parser/openapi-1.0.json"].as_str().unwrap(), out);
}

#[test]
fn what_cannot_be_written_is_exit_2_with_the_reason() {
    let dir = TempDir::new();
    for (line, words) in [
        (&["--guide", "3.0"][..], "query-parser has no version 3.0; it has 1.0, 1.5, 2.0"),
        (&["--guide", "2.0", "--to", "1.0"], "1.0 is not newer than 2.0"),
        (&["--guide", "x"], "\"x\" is no version"),
        (&["--openapi", "2.0"], "names an OpenAPI document"),
        (&[], "--guide"),
        (&["--changelog", "--guide", "1.0"], "cannot be used with"),
    ] {
        let (code, out, err) = docs(&dir, line);
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}: {err}");
        assert!(err.contains(words), "{words} in {err}");
    }
}
