use proptest::prelude::*;

use super::*;
use crate::{
    adaptation::{OperationPlan, Program},
    pipeline::transform::{coding::encode, fixture::Fixture},
};

/// Renames `a` to `bb`; refuses an `n` that is no number.
const OPERATION: &str = "{match: POST /p, request: [{rename: {a: bb}}, \
                         {convert: {path: /n, from: string, to: integer, on_error: error}}]}";

/// The same for a part of bodies, by a program that is given away.
const FILTER: &str = "{match: POST /p, request: [{jq: {up: 'if type == \"object\" then with_entries(.key |= if . == \"a\" then \"bb\" else . end) else . end', down: ., examples: ['1']}}]}";

struct Requests<'o>(&'o OperationPlan);

impl Programs for Requests<'_> {
    fn program(&self, event: Option<&[u8]>) -> Option<&Program> {
        self.0.request().filter(|_| event != Some(b"other"))
    }
}

const LINES: Terms = Terms {
    side: Side::Request,
    format: Format::Lines,
    coding: None,
    charset: None,
    mode: Mode::Whole,
    record_bytes_max: 100,
    bytes_max: 10_000,
};
const EVENTS: Terms = Terms { format: Format::Events, ..LINES };

/// What came out after each piece and at the end, and why it broke off, if it did.
fn run(terms: Terms, pieces: &[&[u8]]) -> (Vec<String>, Option<&'static str>) {
    run_with(OPERATION, terms, pieces)
}

fn run_with(operation: &str, terms: Terms, pieces: &[&[u8]]) -> (Vec<String>, Option<&'static str>) {
    let fixture = Fixture::new(operation);
    let mut records = Records::new(terms, Requests(fixture.operation()), Stash::default());
    let (mut out, mut now, mut pieces) = (Vec::new(), Vec::new(), pieces.iter());
    let text = |bytes: &mut Vec<u8>| String::from_utf8(std::mem::take(bytes)).expect("UTF-8");
    loop {
        match records.take() {
            Ok(Next::Data(data)) => {
                assert!(!data.is_empty());
                now.extend_from_slice(&data);
            }
            Ok(Next::Working) => {}
            Ok(Next::Aside(work)) => {
                records.settle(work.run(&Requests(fixture.operation())));
            }
            Ok(Next::Starved) => {
                out.push(text(&mut now));
                match pieces.next() {
                    Some(piece) => records.push(Bytes::copy_from_slice(piece)),
                    None => records.end(),
                }
            }
            Ok(Next::End) => {
                out.push(text(&mut now));
                return (out, None);
            }
            Err(error) => {
                assert_eq!(records.take(), Err(error.clone()), "it stays broken");
                out.push(text(&mut now));
                return (out, Some(error.reason()));
            }
        }
    }
}

/// All that came out, and why it broke off.
fn whole(terms: Terms, text: &str) -> (String, Option<&'static str>) {
    let (out, error) = run(terms, &[text.as_bytes()]);
    (out.concat(), error)
}

#[test]
fn lines_are_adapted_one_by_one_and_blank_ones_stay() {
    for (text, adapted) in [
        ("{\"a\":1}\n{\"a\":2}\n", "{\"bb\":1}\n{\"bb\":2}\n"),
        ("{\"a\":1}\n\n \t\r\n{\"a\":2}", "{\"bb\":1}\n\n \t\r\n{\"bb\":2}"),
        ("{\"a\":1}\r\n{\"x\":2} \r\n", "{\"bb\":1}\r\n{\"x\":2} \r\n"),
        ("", ""),
        ("\n", "\n"),
        ("[1]\nnull\n\"a\"\n", "[1]\nnull\n\"a\"\n"),
    ] {
        assert_eq!(whole(LINES, text), (adapted.to_owned(), None), "{text:?}");
    }
}

#[test]
fn a_line_leaves_when_it_is_whole() {
    let (out, error) = run(LINES, &[b"{\"a\":1}", b"\n{\"a\"", b":2}\n{\"a\":3}\n{", b"}"]);
    assert_eq!(out, ["", "", "{\"bb\":1}\n", "{\"bb\":2}\n{\"bb\":3}\n", "", "{}"]);
    assert_eq!(error, None);
}

#[test]
fn what_came_before_a_bad_line_leaves_and_nothing_of_it() {
    for (bad, reason) in [
        ("{\"a\":1", "malformed"),
        ("[DONE]", "malformed"),
        ("{\"n\":\"x\"}", "value"),
        ("{\"a\":1,\"a\":2}", "duplicate_member"),
        ("{\"a\":1} {}", "malformed"),
    ] {
        let text = format!("{{\"a\":1}}\n{bad}\n{{\"a\":3}}\n");
        assert_eq!(whole(LINES, &text), ("{\"bb\":1}\n".to_owned(), Some(reason)), "{bad}");
        let text = format!("{{\"a\":1}}\n{bad}");
        assert_eq!(whole(LINES, &text), ("{\"bb\":1}\n".to_owned(), Some(reason)), "{bad} at the end");
    }
}

#[test]
fn events_are_adapted_and_everything_around_the_data_stays() {
    for (text, adapted) in [
        ("data: {\"a\":1}\n\n", "data: {\"bb\":1}\n\n"),
        ("data:{\"a\":1}\r\n\r\n", "data:{\"bb\":1}\r\n\r\n"),
        ("data: {\"a\":1}\r\rdata: {\"a\":2}\r\r", "data: {\"bb\":1}\r\rdata: {\"bb\":2}\r\r"),
        (
            ": hello\nid: 7\nevent: x\ndata: {\"a\":1}\nretry: 10\nfoo: {\"a\":1}\n\n",
            ": hello\nid: 7\nevent: x\ndata: {\"bb\":1}\nretry: 10\nfoo: {\"a\":1}\n\n",
        ),
        // Several lines of data are one text, and come out as one.
        ("data: {\"a\":\ndata: [1,\ndata\ndata:2]}\nid: 1\n\n", "data: {\"bb\":[1,  2]}\nid: 1\n\n"),
        ("data: {\"x\":\ndata: 1}\n\n", "data: {\"x\":\ndata: 1}\n\n"),
        ("data\ndata: {\"a\":1}\n\n", "data:{\"bb\":1}\n\n"),
        // No JSON.
        ("data: [DONE]\n\ndata: {\"a\":1}\n\n", "data: [DONE]\n\ndata: {\"bb\":1}\n\n"),
        ("data\n\n", "data\n\n"),
        ("data: 5\n\n", "data: 5\n\n"),
        // The type decides, wherever it stands.
        (
            "event: other\ndata: {\"a\":1}\n\ndata: {\"a\":1}\n\n",
            "event: other\ndata: {\"a\":1}\n\ndata: {\"bb\":1}\n\n",
        ),
        ("data: {\"a\":1}\nevent:other\n\n", "data: {\"a\":1}\nevent:other\n\n"),
        // A mark before the first line is no part of it.
        ("\u{feff}data: {\"a\":1}\n\n", "\u{feff}data: {\"bb\":1}\n\n"),
        ("Data: {\"a\":1}\ndata : {\"a\":1}\n\n", "Data: {\"a\":1}\ndata : {\"a\":1}\n\n"),
        ("data: {\"a\":1}", "data: {\"bb\":1}"),
        ("data: {\"a\":1}\n", "data: {\"bb\":1}\n"),
        ("\n\n\n", "\n\n\n"),
        ("", ""),
    ] {
        assert_eq!(whole(EVENTS, text), (adapted.to_owned(), None), "{text:?}");
    }
}

#[test]
fn an_event_leaves_when_it_is_whole_and_a_comment_at_once() {
    let (out, error) = run(
        EVENTS,
        &[b": ping\n", b"id: 1\nda", b"ta: {\"a\":1}\n", b": in between\n", b"\ndata: [1]\r", b"\r", b"\n"],
    );
    assert_eq!(
        out,
        ["", ": ping\n", "id: 1\n", "", "", "data: {\"bb\":1}\n: in between\n\n", "data: [1]\r\r", "\n", ""]
    );
    assert_eq!(error, None);
}

#[test]
fn data_that_is_json_and_does_not_fit_ends_the_stream() {
    for (bad, reason) in [("{\"n\":\"x\"}", "value"), ("{\"a\":1,\"a\":2}", "duplicate_member")] {
        let text = format!("data: {{\"a\":1}}\n\nid: 2\ndata: {bad}\n\ndata: {{}}\n\n");
        assert_eq!(whole(EVENTS, &text), ("data: {\"bb\":1}\n\nid: 2\n".to_owned(), Some(reason)), "{bad}");
    }
}

#[test]
fn a_record_has_a_size_and_so_has_the_whole() {
    let fits = format!("\"{}\"", "x".repeat(98));
    let long = format!("\"{}\"", "x".repeat(99));
    assert_eq!(whole(LINES, &fits).1, None);
    assert_eq!(whole(LINES, &format!("{fits}\n{fits}\n")).1, None);
    assert_eq!(whole(LINES, &long).1, Some("too_large"));
    assert_eq!(whole(LINES, &format!("{long}\n")).1, Some("too_large"));
    assert_eq!(run(LINES, &[&long.as_bytes()[..60], &long.as_bytes()[60..]]).1, Some("too_large"));
    let event = "data: 1\n".repeat(12);
    assert_eq!(whole(EVENTS, &format!("{event}\n{event}\n")).1, None);
    assert_eq!(whole(EVENTS, &format!("{event}: 12345\n\n")).1, Some("too_large"));
    let little = Terms { bytes_max: 20, ..LINES };
    assert_eq!(whole(little, "{\"a\":1}\n{\"a\":2}\n").1, None);
    assert_eq!(
        run(little, &[b"{\"a\":1}\n{\"a\":2}\n", b"{}\n{}\n"]),
        (vec![String::new(), "{\"bb\":1}\n{\"bb\":2}\n".to_owned(), String::new()], Some("too_large"))
    );
}

#[test]
fn a_coding_is_taken_off_while_records_pass() {
    let text = "{\"a\":1}\n".repeat(1000);
    for coding in Coding::ALL {
        let terms = Terms { coding: Some(coding), ..LINES };
        let coded = encode(coding, text.as_bytes()).expect("memory does not fail");
        let pieces: Vec<&[u8]> = coded.chunks(10).collect();
        let (out, error) = run(terms, &pieces);
        assert_eq!((out.concat(), error), (text.replace('a', "bb"), None), "{coding:?}");
        assert_eq!(run(terms, &pieces[..pieces.len() - 1]).1, Some("malformed"), "{coding:?}");
        let bomb = encode(coding, "{\"a\":1}\n".repeat(2000).as_bytes()).expect("memory does not fail");
        assert_eq!(run(terms, &[&bomb]).1, Some("too_large"), "{coding:?}");
    }
}

/// The first record of what a sender flushed leaves before the sender goes on.
#[test]
fn what_was_flushed_within_a_coding_is_not_held_back() {
    use std::io::Write as _;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"{\"a\":1}\n").expect("memory does not fail");
    gzip.flush().expect("memory does not fail");
    let first = gzip.get_ref().clone();
    let (out, _) = run(Terms { coding: Some(Coding::Gzip), ..LINES }, &[&first]);
    assert_eq!(out[1], "{\"bb\":1}\n");
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
    brotli.write_all(b"{\"a\":1}\n").expect("memory does not fail");
    brotli.flush().expect("memory does not fail");
    let first = brotli.get_ref().clone();
    let (out, _) = run(Terms { coding: Some(Coding::Brotli), ..LINES }, &[&first]);
    assert_eq!(out[1], "{\"bb\":1}\n");
}

/// A filter may take its time: what came before it does not wait, and what comes behind it does.
#[test]
fn a_record_with_a_filter_is_given_away_and_keeps_its_place() {
    let fixture =
        Fixture::new("{match: POST /p, response: {events: {x: [{jq: {up: '{v: .}', down: .v, examples: ['1']}}]}}}");
    let programs = Chosen::Response(fixture.operation(), 200);
    let mut records = Records::new(Terms { side: Side::Response, ..EVENTS }, programs, Stash::default());
    let text = "data: {\"v\":0}\n\nevent: x\ndata: {\"v\":1}\n\n: hi\n\nevent: x\ndata: {\"v\":2}";
    records.push(Bytes::from_static(text.as_bytes()));
    assert_eq!(records.take(), Ok(Next::Data(Bytes::from_static(b"data: {\"v\":0}\n\nevent: x\n"))));
    let Ok(Next::Aside(work)) = records.take() else { panic!("a record to be adapted elsewhere") };
    assert_eq!(records.take(), Ok(Next::Aside(work.clone())), "nothing overtakes it");
    records.settle(work.run(&programs));
    assert_eq!(records.take(), Ok(Next::Data(Bytes::from_static(b"data: 1\n\n"))));
    assert_eq!(records.take(), Ok(Next::Data(Bytes::from_static(b": hi\n\nevent: x\n"))));
    assert_eq!(records.take(), Ok(Next::Starved));
    records.end();
    assert_eq!(records.take(), Ok(Next::Working));
    let Ok(Next::Aside(work)) = records.take() else { panic!("the last one, which has no end") };
    records.settle(work.run(&programs));
    assert_eq!(records.take(), Ok(Next::Data(Bytes::from_static(b"data: 2"))));
    assert_eq!((records.take(), records.outcome()), (Ok(Next::End), (true, false)));
}

proptest! {
    #[test]
    fn how_a_body_is_cut_changes_nothing(parts in prop::collection::vec(0usize..PARTS.len(), 0..30), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        let text = text.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|cut| &text[cut[0]..cut[1]]).filter(|piece| !piece.is_empty()).collect();
        for (operation, terms) in [(OPERATION, LINES), (OPERATION, EVENTS), (FILTER, LINES), (FILTER, EVENTS)] {
            let (at_once, error) = run_with(operation, terms, &[text]);
            let (cut, cut_error) = run_with(operation, terms, &pieces);
            prop_assert_eq!((cut.concat(), cut_error), (at_once.concat(), error), "{:?}", terms.format);
        }
    }
}

const PARTS: [&str; 16] = [
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "event: x",
    "[DONE]",
    "data: ",
    "data:",
    "event: other",
    ": x",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "{\"a\":",
    "2}",
    "id: 1",
];

// ---- a second opinion, written for reading ------------------------------------------------------------------------

/// Texts and ends of lines that may end in three ways.
fn lines_of(text: &str) -> Vec<(&str, &str)> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let length = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let end = ["\r\n", "\r", "\n"].into_iter().find(|end| rest[length..].starts_with(end)).unwrap_or("");
        lines.push((&rest[..length], end));
        rest = &rest[length + end.len()..];
    }
    lines
}

/// What `record` becomes.
fn adapted(program: &Program, record: &str) -> Result<String, Reason> {
    match program.apply(&Bytes::copy_from_slice(record.as_bytes()), Mode::Whole) {
        Ok(adapted) => Ok(String::from_utf8(adapted.body.to_vec()).expect("UTF-8")),
        Err(error) => Err(error.reason),
    }
}

/// What comes out, and whether all of it does.
fn reference_lines(program: &Program, text: &str) -> (String, bool) {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let record = line.trim_ascii_end();
        if record.is_empty() {
            out.push_str(line);
            continue;
        }
        match adapted(program, record) {
            Ok(now) => out.extend([&*now, &line[record.len()..]]),
            Err(_) => return (out, false),
        }
    }
    (out, true)
}

/// What comes out, and whether all of it does.
fn reference_events(program: &Program, text: &str) -> (String, bool) {
    let mut out = String::new();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
    };
    let is = |line: &str, name: &str| field(line).0 == name;
    for event in lines_of(text).split_inclusive(|(line, _)| line.is_empty()) {
        let kind = event.iter().rev().find(|(line, _)| is(line, "event")).map(|(line, _)| field(line).1);
        let data: Vec<String> =
            event.iter().filter(|(line, _)| is(line, "data")).map(|(line, _)| field(line).1).collect();
        let joined = data.join("\n");
        let new = match adapted(program, &joined) {
            _ if data.is_empty() || kind.as_deref() == Some("other") => None,
            Err(Reason::Malformed) => None,
            Err(_) => {
                let before = event.iter().take_while(|(line, _)| !is(line, "data"));
                before.for_each(|(line, end)| out.extend([*line, *end]));
                return (out, false);
            }
            Ok(new) => Some(new).filter(|new| *new != joined),
        };
        let mut is_first = true;
        for (line, end) in event {
            match &new {
                Some(new) if is(line, "data") => {
                    if std::mem::take(&mut is_first) {
                        let space = if line.starts_with("data: ") { " " } else { "" };
                        out.extend(["data:", space, &new.replace(['\n', '\r'], " "), end]);
                    }
                }
                _ => out.extend([*line, *end]),
            }
        }
    }
    (out, true)
}

proptest! {
    #[test]
    fn a_plain_reader_of_the_formats_agrees(parts in prop::collection::vec(0usize..PARTS.len(), 0..40)) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        let fixture = Fixture::new(OPERATION);
        let program = fixture.operation().request().expect("a program");
        let roomy = |terms| Terms { record_bytes_max: 10_000, ..terms };
        let (out, error) = whole(roomy(LINES), &text);
        prop_assert_eq!((out, error.is_none()), reference_lines(program, &text));
        let (out, error) = whole(roomy(EVENTS), &text);
        prop_assert_eq!((out, error.is_none()), reference_events(program, &text));
    }
}

#[test]
fn each_line_is_read_in_the_charset_it_is_in() {
    let run = |charset, text: &[u8]| {
        let lines = Terms { charset: Some(charset), ..LINES };
        let whole = run(lines, &[text]);
        let (out, error) = run(lines, &text.chunks(1).collect::<Vec<_>>());
        assert_eq!((out.concat(), error), (whole.0.concat(), whole.1), "wherever the pieces end");
        (out.concat(), error)
    };
    let latin1 = Charset::Other(encoding_rs::WINDOWS_1252);
    let text = b"{\"a\":\"\xe9\"}\r\n\n{\"a\":\"\xc3\xa9\"}\n{\"a\":\"\xe9\"}";
    assert_eq!(run(latin1, text), ("{\"bb\":\"é\"}\r\n\n{\"bb\":\"é\"}\n{\"bb\":\"é\"}".into(), None));
    // A record has 100 bytes at most, also in UTF-8.
    let line = [b"\"", &[0xe9; 50][..], b"\"\n"].concat();
    assert_eq!(run(latin1, &line), (String::new(), Some("too_large")));
    assert_eq!(run(Charset::Unknown, b"{\"a\":\"\xe9\"}\n"), (String::new(), Some("charset")));
}

#[test]
fn lines_in_utf16_are_read_before_they_are_split() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let lines = Terms { charset: Some(Charset::Utf16), ..LINES };
    let run = |text: &[u8], size| {
        let (out, error) = run(lines, &text.chunks(size).collect::<Vec<_>>());
        (out.concat(), error)
    };
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        // U+0A0A has bytes that look like line feeds.
        for text in ["{\"a\":\"\u{a0a}é\"}\r\n{\"a\":2}", "\u{feff}\n{\"a\":1}\n", "7", ""] {
            let expected = text.replace("\"a\"", "\"bb\"").replace('\u{feff}', "");
            for size in 1..=7 {
                assert_eq!(run(&utf16(text, order), size), (expected.clone(), None));
            }
        }
    }
    assert_eq!(run("{\"a\":\"é\"}".as_bytes(), 9), ("{\"bb\":\"é\"}".into(), None), "in UTF-8 after all");
    let half = [&utf16("{\"a\":1}\n7", u16::to_le_bytes)[..], b"7"].concat();
    assert_eq!(run(&half, 3), ("{\"bb\":1}\n".into(), Some("charset")));

    let coded = encode(Coding::Gzip, &utf16("{\"a\":1}\n7", u16::to_le_bytes)).expect("coded");
    let pieces: Vec<&[u8]> = coded.chunks(1).collect();
    let (out, error) = run_with(OPERATION, Terms { coding: Some(Coding::Gzip), ..lines }, &pieces);
    assert_eq!((out.concat(), error), ("{\"bb\":1}\n7".into(), None));
}
