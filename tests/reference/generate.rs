//! Programs and bodies by chance: from a seed in tests, from the fuzzer's bytes in fuzzing.

use vergate::adaptation::{
    change::Direction,
    literal::Literal,
    op::{Comeback, Conflict, Edit, Group, Guard, List, Many, Op, Otherwise, Pieces, Rest, ScalarType},
    pointer::{Name, Pointer, Segment},
};

/// Chance: gives a number below the one it is given.
pub struct Dice<'d>(pub &'d mut dyn FnMut(usize) -> usize);

impl Dice<'_> {
    fn below(&mut self, end: usize) -> usize {
        (self.0)(end)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "x/y"];

/// A valid body with spaces, escapes and, if asked for, repeated names.
pub fn body(dice: &mut Dice<'_>, repeats: bool) -> String {
    let mut out = String::new();
    value(dice, 0, repeats, &mut out);
    out
}

fn value(dice: &mut Dice<'_>, depth: usize, repeats: bool, out: &mut String) {
    let space = dice.pick(&["", "", "", " ", "\n\t"]);
    out.push_str(space);
    // Bodies are objects more often than not, or most ops would find nothing.
    match dice.below(if depth == 0 {
        8
    } else if depth > 3 {
        2
    } else {
        7
    }) {
        0 | 1 => out.push_str(dice.pick(&[
            "null",
            "null",
            "true",
            "false",
            "0",
            "1",
            "-0",
            "7",
            "12345678901234567890123",
            "1.0",
            "10.50",
            "1E5",
            "-0.0",
            "1e400",
            "2e2",
            "\"s\"",
            "\"a b\"",
            "\"a b c\"",
            "\"\"",
            "\"1\"",
            "\"1.50\"",
            "\"true\"",
            "\"\\u0061\"",
            "\"\\u0061\\u0020b\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\ude00\"",
            "\"\u{2028}é\\/\"",
            "\"}]\\\\\\\"\"",
        ])),
        2 | 3 => {
            out.push('[');
            for index in 0..dice.below(4) {
                if index > 0 {
                    out.push(',');
                }
                value(dice, depth + 1, repeats, out);
            }
            out.push_str(space);
            out.push(']');
        }
        _ => {
            out.push('{');
            let mut left: Vec<&str> = NAMES.to_vec();
            for index in 0..dice.below(5) {
                if index > 0 {
                    out.push(',');
                }
                let at = dice.below(left.len());
                let name = if repeats && dice.one_in(6) { dice.pick(&NAMES) } else { left.remove(at) };
                let spelled = if name == "a" && dice.one_in(4) { "\\u0061" } else { name };
                out.push_str(&format!("{space}\"{spelled}\"{space}:"));
                value(dice, depth + 1, repeats, out);
            }
            out.push('}');
        }
    }
    out.push_str(space);
}

/// Lists of ops of one change, and the directions they are run in, one after the other.
pub fn chain(dice: &mut Dice<'_>) -> Vec<(Vec<Edit>, Direction)> {
    let lists = 1 + dice.below(3);
    (0..lists)
        .map(|_| {
            let edits = (0..1 + dice.below(3)).map(|_| edit(dice)).collect();
            (edits, dice.pick(&[Direction::Up, Direction::Down]))
        })
        .collect()
}

/// An op with what may stand beside it.
pub fn edit(dice: &mut Dice<'_>) -> Edit {
    let at = pointer(dice.pick(&["", "", "", "", "/a", "/b/[]", "/[]", "/c/{}", "/a/b"]));
    let op = op(dice, &at);
    let guards = if dice.one_in(5) { vec![guard(dice, &at)] } else { Vec::new() };
    Edit {
        guards,
        strict: dice.one_in(10),
        conflict: dice.pick(&[None, None, None, Some(Conflict::Error), Some(Conflict::Replace)]),
        ..Edit::new(at, op)
    }
}

fn guard(dice: &mut Dice<'_>, at: &Pointer) -> Guard {
    let values = vec![Literal::null(), Literal::string("s"), number("1"), Literal::boolean(true), Literal::string("a")];
    let path = (0..1 + dice.below(2)).map(|_| name(dice)).collect();
    Guard { depth: dice.below(at.segments().len() + 1), path, values }
}

fn name(dice: &mut Dice<'_>) -> Name {
    Name::new(dice.pick(&NAMES))
}

fn names(dice: &mut Dice<'_>, count: usize) -> Vec<Name> {
    let mut left: Vec<&str> = NAMES.to_vec();
    (0..count).map(|_| Name::new(left.remove(dice.below(left.len())))).collect()
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn number(text: &str) -> Literal {
    Literal::number(text).expect("a number")
}

fn place(dice: &mut Dice<'_>) -> Pointer {
    pointer(dice.pick(&["/a", "/b", "/a/b", "/c/[]/a", "/b/{}/c", "/d/a", "/c/a/b", "/a/[]", "/{}"]))
}

/// A place that ends in a name.
fn member(dice: &mut Dice<'_>) -> Pointer {
    pointer(dice.pick(&["/a", "/b", "/a/b", "/c/[]/a", "/b/{}/c", "/d/a", "/c/a/b"]))
}

fn otherwise(dice: &mut Dice<'_>) -> Otherwise {
    match dice.below(5) {
        0 => Otherwise::Error,
        1 => Otherwise::Value(number("0.0")),
        _ => Otherwise::Pass,
    }
}

fn op(dice: &mut Dice<'_>, at: &Pointer) -> Op {
    match dice.below(18) {
        0 | 1 => {
            let count = 1 + dice.below(3);
            Op::Rename(names(dice, count).into_iter().zip(names(dice, count)).collect())
        }
        2 => {
            let (from, to) = (1 + dice.below(3), 1 + dice.below(3));
            Op::Move { from: names(dice, from), to: names(dice, to) }
        }
        3 => Op::Nest(group(dice)),
        4 => Op::Unnest(group(dice)),
        5 => {
            let value = (!dice.one_in(3)).then(|| Literal::array(&[number("1.50")]));
            Op::Add { path: member(dice), replaces_null: value.is_some() && dice.one_in(2), value }
        }
        6 => {
            let path = member(dice);
            let is_one = at.names().is_some() && path.names().is_some();
            let down = match dice.below(3) {
                0 => Comeback::Absent,
                1 if is_one => Comeback::Stash(dice.pick(&["s", "t"]).into()),
                _ => Comeback::Value(Literal::object(&[("a".to_owned(), Literal::null())])),
            };
            Op::Remove { path, down }
        }
        7 | 8 => {
            use ScalarType::{Boolean, Integer, Number, String};
            let (from, to) = dice.pick(&[
                (Integer, String),
                (String, Number),
                (Number, Integer),
                (Boolean, Integer),
                (String, Boolean),
                (Number, String),
            ]);
            Op::Convert { path: place(dice), from, to, on_error: otherwise(dice) }
        }
        9 => Op::Scale { path: place(dice), pow10: dice.pick(&[3, -3, 1, -1, 999, -999]) },
        10 => Op::Map {
            path: place(dice),
            pairs: vec![
                (Literal::null(), number("7")),
                (Literal::string("a"), Literal::boolean(true)),
                (number("1"), Literal::string("s")),
                (Literal::string("s"), number("7")),
            ],
            up_else: otherwise(dice),
            down_else: otherwise(dice),
        },
        11 => Op::Wrap(list(dice, at)),
        12 => Op::Unwrap(list(dice, at)),
        13 => Op::Split(pieces(dice)),
        14 => Op::Merge(pieces(dice)),
        15 => Op::ElemWrap { path: place(dice), key: name(dice) },
        16 => Op::Index { path: place(dice), key: name(dice) },
        _ => Op::DropElems {
            path: place(dice),
            by: (0..1 + dice.below(2)).map(|_| name(dice)).collect(),
            keep: vec![Literal::string("s"), Literal::null(), number("1")],
        },
    }
}

fn group(dice: &mut Dice<'_>) -> Group {
    let count = 1 + dice.below(3);
    let members: Vec<(Name, Name)> = names(dice, count).into_iter().zip(names(dice, count)).collect();
    let container = name(dice);
    let clash = members.iter().any(|(_, outer)| *outer == container);
    let rest = dice.pick(&[Rest::Drop, Rest::Keep, Rest::Error]);
    let rest = if clash && rest == Rest::Keep { Rest::Drop } else { rest };
    Group { container, members, rest, always: dice.one_in(3), mismatch_is_error: dice.one_in(3) }
}

fn list(dice: &mut Dice<'_>, at: &Pointer) -> List {
    let path = place(dice);
    let is_element = matches!(at.join(&path).segments().last(), Some(Segment::Each) | None);
    List {
        path,
        many: dice.pick(&[Many::Error, Many::First, Many::Last]),
        empty_is_null: is_element || dice.one_in(2),
        null_is_empty: dice.one_in(2),
    }
}

fn pieces(dice: &mut Dice<'_>) -> Pieces {
    let count = 2 + dice.below(2);
    Pieces {
        whole: name(dice),
        parts: names(dice, count),
        separator: dice.pick(&[" ", "a", " b", "\u{1f600}"]).to_owned(),
    }
}
