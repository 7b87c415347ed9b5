//! What the box lets in and out.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    pool::{Missed, Pool},
    *,
};
use crate::adaptation::{
    Direction, Mode, Program,
    op::{Edit, Op},
    pointer::Pointer,
};

fn run(program: &str, subtree: &str) -> Result<String, Failure> {
    let filter = Filter::new(program).unwrap_or_else(|error| panic!("{program}: {error}"));
    filter.run(subtree.as_bytes()).map(|text| String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn what_a_filter_leaves_alone_keeps_its_numbers_order_and_surrogates() {
    for text in [
        r#"{"z":[1.0,1,10.50,1E5,-0,-0.0,1e400,18446744073709551616,0.1000000000000000055511151231257827],"a":null}"#,
        r#"["\ud83d","\ud83dx","é\n\u0001\"\\",{"":[]},{},true,false]"#,
        "7",
        r#""text""#,
    ] {
        assert_eq!(run(".", text).as_deref(), Ok(text));
    }
    assert_eq!(run(".", " [ 1 , {\"a\" : \"\\u0061\\/\"} ] ").as_deref(), Ok(r#"[1,{"a":"a/"}]"#));
}

#[test]
fn the_filters_people_know_are_there() {
    for (program, subtree, expected) in [
        (".a + 1", r#"{"a":2}"#, "3"),
        (".a / 2", r#"{"a":4}"#, "2"),
        (".a / 4", r#"{"a":1}"#, "0.25"),
        ("to_entries | map(.key) | join(\",\")", r#"{"b":1,"a":2}"#, r#""b,a""#),
        ("with_entries(.value |= tostring)", r#"{"a":1.50}"#, r#"{"a":"1.50"}"#),
        ("[.[] | select(. > 1)] | length", "[1,2,3]", "2"),
        ("reduce .[] as $x (0; . + $x)", "[1,2]", "3"),
        ("def twice: . * 2; map(twice)", "[1,2]", "[2,4]"),
        ("gsub(\"a\"; \"b\")", r#""aaa""#, r#""bbb""#),
        ("[.. | numbers]", r#"{"a":[1,{"b":2}]}"#, "[1,2]"),
        ("(.a, .b) |= ascii_upcase", r#"{"a":"x","b":"y"}"#, r#"{"a":"X","b":"Y"}"#),
        ("@base64", r#""hi""#, r#""aGk=""#),
        ("flatten | unique", "[[2],[1,[1]]]", "[1,2]"),
    ] {
        assert_eq!(run(program, subtree).as_deref(), Ok(expected), "{program}");
    }
}

#[test]
fn no_result_several_and_what_is_no_json_are_failures() {
    for (program, subtree) in [
        ("empty", "1"),
        (".[]", "[1,2]"),
        (".a.b", "[]"),
        ("error(\"x\")", "1"),
        ("1 / 0", "1"),
        ("nan", "1"),
        ("{(.): 1}", "1"),
        ("reduce .[] as $x (null; [.])", &format!("[{}1]", "1,".repeat(200))),
        (". * 100000", "\"text\""),
    ] {
        assert_eq!(run(program, subtree), Err(Failure::Filter), "{program}");
    }
    assert_eq!(run(".", r#"{"a":{"b":1,"\u0062":2}}"#), Err(Failure::Duplicate));
}

#[test]
fn a_subtree_is_bounded() {
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(run(".", &text(SUBTREE_BYTES_MAX)).is_ok());
    assert_eq!(run(".", &text(SUBTREE_BYTES_MAX + 1)), Err(Failure::Filter));
    assert_eq!(run(". + \"x\"", &text(SUBTREE_BYTES_MAX)), Err(Failure::Filter));
}

#[test]
fn what_could_run_for_ever_or_look_outside_is_no_program() {
    let refused = |program: &str| Filter::new(program).expect_err(program);
    for name in [
        "repeat(.)",
        "while(true; .)",
        "until(false; .)",
        "range(5)",
        "recurse",
        "recurse(.a)",
        "env",
        "input",
        "inputs",
        "halt",
        "halt_error",
        "now",
        "debug",
        "debug(1)",
        "stderr",
        "input_line_number",
        "localtime",
        "debug_empty",
        "tonumber",
        "fromjson",
    ] {
        let call = name.split('(').next().expect("a name").to_owned();
        for program in [
            name.to_owned(),
            format!("def f: {name}; f"),
            format!("{{a: [\"x\\({name})\"]}}"),
            format!("if . then 1 else .a[{name}]? end"),
            format!("reduce .[] as [$x, {{({name}): $y}}] (0; 1)"),
            format!("try (1 | -({name})) catch (label $out | . as {{a: $b}} | 1 // map({name}))"),
        ] {
            assert_eq!(refused(&program), FilterError::Forbidden(call.clone()), "{program}");
        }
    }
    assert_eq!(refused("$ENV.PATH"), FilterError::Forbidden("$ENV".to_owned()));
    for program in ["def f: f; f", "def f(g): [f(g)]; f(.)", "def f: def g: f; g; f", "1 | def f: .a | f; f"] {
        assert_eq!(refused(program), FilterError::Recursive("f".to_owned()), "{program}");
    }
    for program in ["", "(", "nosuch", "$x", "import \"a\" as a; 1", "include \"a\"; 1", "get_search_list", ".[", "1 1"]
    {
        assert!(Filter::new(program).is_err(), "{program}");
    }
    assert_eq!(refused(&" ".repeat(64 * 1024 + 1)), FilterError::TooLong);
    assert!(Filter::new("def f: 1; def g: f; g").is_ok());
}

#[test]
fn examples_have_to_come_back_by_value() {
    let json = |text: &str| Literal::json(text).expect("JSON");
    let filter = |text: &str| Filter::new(text).expect("a program");
    let both = |up: &str, down: &str, example: &str| check(&filter(up), Some(&filter(down)), &json(example));
    assert_eq!(both("{b: .a}", "{a: .b}", r#"{"a": 1.0}"#), Ok(()));
    assert_eq!(both(".a *= 2", ".a /= 2", r#"{"b":0,"a":1.0}"#), Ok(()));
    assert_eq!(check(&filter(".a"), None, &json(r#"{"a":1}"#)), Ok(()));
    assert_eq!(both(".[]", ".", "[1,2]"), Err(ExampleError::Up));
    assert_eq!(both(".", ".[]", "[1,2]"), Err(ExampleError::Down("[1,2]".to_owned())));
    let differs = ExampleError::Differs { up: "2".to_owned(), down: "3".to_owned() };
    assert_eq!(both(". + 1", ". + 1", "1"), Err(differs));
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    let (begun, pool) = (Instant::now(), Pool::new(Duration::from_secs(1)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let endless = runtime.block_on(pool.run(move || ends.recv().is_ok()));
    assert_eq!(endless, Err(Missed::Deadline));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // The one that is lost is replaced, and what panics is not missed by the next.
    assert_eq!(runtime.block_on(pool.run(|| 7)), Ok(7));
    assert_eq!(runtime.block_on(pool.run(|| -> u8 { panic!("on purpose") })), Err(Missed::Deadline));
    assert_eq!(runtime.block_on(pool.run(|| 8)), Ok(8));
    drop(end);
}

#[test]
fn work_that_nobody_waits_for_any_more_costs_no_thread() {
    // Threads of its own, and a deadline that a busy machine keeps.
    let pool = Pool::new(Duration::from_secs(20));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    // More than there are threads, and more than may be lost.
    for _ in 0..20 {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let work = pool.run(move || {
            begun.send(()).expect("somebody listens");
            let _ = ends.recv();
        });
        runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            assert!(work.as_mut().poll(&mut cx).is_pending());
            has_begun.recv().expect("a thread takes it");
        });
        assert_eq!(runtime.block_on(pool.run(|| 7)), Ok(7));
        // The one that was given up comes back and goes.
        drop(end);
        while pool.lost() > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn only_who_had_a_turn_is_to_blame() {
    let slow = "reduce (.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1) as $x (0; . + $x)";
    let slow = Filter::new(slow).expect("a program");
    let op = Op::Jq { path: Pointer::default(), up: slow.clone(), down: None, examples: Vec::new() };
    let edits = [Edit::new(Pointer::default(), op)];
    let program = Arc::new(Program::fuse([("c", &edits[..], Direction::Up)]).expect("a program"));
    let body = Bytes::from(format!("[{}1]", "1,".repeat(99)));
    let theirs = Arc::clone(&program);
    std::thread::spawn(move || theirs.apply(&body, Mode::Whole));
    while slow.0.running.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    for missed in [Missed::Turn, Missed::Turn, Missed::Turn, Missed::Deadline, Missed::Deadline] {
        assert_eq!(program.missed(missed).op, Some("jq"));
    }
    assert!(!slow.is_off());
    program.missed(Missed::Deadline);
    assert!(slow.is_off());
}

/// What a caller could make a program do that an operator wrote without a thought.
#[test]
fn what_a_program_makes_is_bounded_whatever_its_input_says() {
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    for (program, subtree) in [
        ("\"x\" * .n | length", r#"{"n":1000000000}"#),
        (".n * \"x\" | length", r#"{"n":1e30}"#),
        (".n * \"x\" | length", r#"{"n":1000000000000000000000000}"#),
        ("[.n * \"x\" | \"\"] | length", r#"{"n":1048576}"#),
        ("reduce .[] as $x (\"x\"; . + .) | length", &list(60)),
        ("reduce .[] as $x ([1]; . + .) | length", &list(60)),
        ("reduce .[] as $x ([1]; [., .]) | length", &list(60)),
        ("reduce .[] as $x ({a: 1}; {a: ., b: .}) | length", &list(60)),
        ("reduce .[] as $x ({a: 1}; {a: ., b: .} * {a: ., b: .}) | length", &list(60)),
        ("reduce .[] as $x (1; . as $y | {a: 1, b: 2} | .a = $y | .b = $y) | length", &list(60)),
        ("reduce .[] as $x (1; [., .] | map(.)) | tojson | length", &list(60)),
        ("reduce .[] as $x (1; [., .]) == 1", &list(60)),
        ("reduce .[] as $x (7; . * . * 99) | 1", &list(60)),
        ("[.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1] | length", &list(200)),
        ("[.[] as $a | .[] as $b | .[] as $c | .[] as $d | $a] | length", &list(200)),
        ("[limit(1000000000; .[] as $a | .[] as $b | .[] as $c | .[] as $d | 1)] | length", &list(200)),
        ("combinations | length", &format!("[{}]", vec![list(10); 20].join(","))),
        ("[combinations(20)] | length", &list(10)),
        ("[splits(\"\")] | combinations(9) | 1", r#""abcdefghij""#),
        ("[foreach .[] as $x (\"x\"; . + .; .)] | length", &list(60)),
        ("reduce .[] as $x (\"x\"; tojson) | length", &list(200)),
        ("reduce .[] as $x (\"x\"; gsub(\"x\"; \"xx\")) | length", &list(60)),
        ("(.[:1]) |= reduce range_of[] as $x ([1]; . + .)", "[1]"),
        ("try (\"x\" * .n) catch 1", r#"{"n":1000000000}"#),
        ("(\"x\" * .n)? // 1", r#"{"n":1000000000}"#),
    ] {
        let program = program.replace("range_of", &list(60));
        let begun = Instant::now();
        assert_eq!(run(&program, subtree), Err(Failure::Filter), "{program}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{program}: {:?}", begun.elapsed());
    }
}

#[test]
fn what_fits_comes_out_as_without_a_meter() {
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    for (program, subtree, expected) in [
        ("\"ab\" * .n", r#"{"n":3}"#, r#""ababab""#),
        ("\"ab\" * 0", "1", "null"),
        ("map(. + 1) | add", &list(10_000), "20000"),
        ("reduce .[] as $x ([]; . + [$x]) | length", &list(1_000), "1000"),
        ("map(tostring) | join(\",\") | length", &list(5_000), "9999"),
        ("reduce .[] as $x ({}; .[\"k\\($x)\"] += [$x]) | .k1 | length", &list(1_000), "1000"),
        ("[.[] as $a | .[] as $b | $a * $b] | length", &list(200), "40000"),
        ("{a: [1, 2, 3]} | .a[1] |= empty | .a[-1] = 9 | .b = {c: 1} | del(.a[0])", "1", r#"{"a":[9],"b":{"c":1}}"#),
        ("[1, 2, 3, 4] | .[1:3] |= map(. * 10) | .[:1] = []", "1", "[20,30,4]"),
        ("try (.[5] = 1) catch \"out\"", "[1]", r#""out""#),
        (".a.b[1]? // \"none\"", r#"{"a":{"b":7}}"#, r#""none""#),
        ("try error({a: 1}) catch .a", "1", "1"),
        ("try (1 + {}) catch \"math\"", "1", r#""math""#),
        (
            "[length, (.a | contains([\"x\"])), has(\"b\"), (.a | index(\"y\")), (.a | bsearch(\"z\"))]",
            r#"{"a":["xx","y"]}"#,
            "[1,true,false,1,-3]",
        ),
        ("[paths] | length", r#"{"a":[{"b":1}]}"#, "3"),
        ("walk(if type == \"number\" then . + 1 else . end)", r#"{"a":[1,{"b":2}]}"#, r#"{"a":[2,{"b":3}]}"#),
        ("tojson", r#"["a",1.50,null]"#, r#""[\"a\",1.50,null]""#),
        ("split(\",\") | map(ascii_downcase)", r#""A,B""#, r#"["a","b"]"#),
        ("[.[] | -. , . % 2, . - 1]", "[3]", "[-3,1,2]"),
        ("[1, 2, 3] - [2]", "1", "[1,3]"),
        ("group_by(.a) | map(length)", r#"[{"a":1},{"a":2},{"a":1}]"#, "[2,1]"),
        ("to_entries | from_entries", r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        ("99999999999 * 99999999999", "1", "9999999999800000000001"),
    ] {
        assert_eq!(run(program, subtree).as_deref(), Ok(expected), "{program}");
        assert_eq!(unmetered(program, subtree).as_deref(), Some(expected), "{program}");
    }
}

/// The same without a meter, as jaq itself does it.
fn unmetered(program: &str, subtree: &str) -> Option<String> {
    let arena = jaq_core::load::Arena::default();
    let loader = jaq_core::load::Loader::new(jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()));
    let modules = loader.load(&arena, jaq_core::load::File { code: program, path: () }).ok()?;
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let filter = jaq_core::Compiler::<_, JustLut<Val>>::default().with_funs(functions).compile(modules).ok()?;
    let input = value::read(subtree.as_bytes()).ok()?;
    let mut results = filter.id.run((Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([])), input)).map(unwrap_valr);
    String::from_utf8(value::write(&results.next()?.ok()?, SUBTREE_BYTES_MAX)?).ok()
}

/// A thread that nobody waits for comes back.
#[test]
fn a_run_ends_by_itself() {
    let begun = Instant::now();
    let list = format!("[{}1]", "1,".repeat(999));
    assert_eq!(
        run("reduce (.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1) as $x (0; . + $x)", &list),
        Err(Failure::Filter)
    );
    assert!(begun.elapsed() < meter::TIME_MAX * 3, "{:?}", begun.elapsed());
    // The next one begins anew.
    assert_eq!(run(". + 1", "1").as_deref(), Ok("2"));
}
