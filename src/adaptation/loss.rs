//! Which ops lose data that both versions know, and so have to say why.

use super::{
    change::Direction,
    literal::Literal,
    op::{Edit, List, Many, Op},
};

/// Which lists of an operation an op stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// `request`.
    Request,
    /// `response`.
    Response,
}

/// A loss that `lossy` has to declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The way in which data is lost.
    pub direction: Direction,
    /// What happens to it, after "the op".
    pub what: &'static str,
    /// Whether schemas can show that it never happens: no part may hold the separator.
    pub only_with_separator: bool,
}

/// What `edit` loses and does not declare (ADAPTATION section 8, "Loss").
pub fn undeclared(edit: &Edit, side: Side) -> Vec<Loss> {
    let mut losses = losses(&edit.op, side);
    losses.retain(|loss| match loss.direction {
        Direction::Up => edit.lossy.up.is_none(),
        Direction::Down => edit.lossy.down.is_none(),
    });
    losses
}

fn losses(op: &Op, side: Side) -> Vec<Loss> {
    let loss = |direction, what| Loss { direction, what, only_with_separator: false };
    let separated = |direction| Loss {
        direction,
        what: "cuts a text elsewhere than it was joined if a part holds the separator",
        only_with_separator: true,
    };
    match op {
        Op::Remove { .. } if side == Side::Request => vec![loss(Direction::Up, "discards what older clients send")],
        Op::Map { pairs, .. } => {
            let olds: Vec<&Literal> = pairs.iter().map(|(old, _)| old).collect();
            let news: Vec<&Literal> = pairs.iter().map(|(_, new)| new).collect();
            let merged = [
                (Direction::Up, repeats(&news), "makes one new value of two old ones"),
                (Direction::Down, repeats(&olds), "makes one old value of two new ones"),
            ];
            merged
                .into_iter()
                .filter(|(_, twice, _)| *twice)
                .map(|(direction, _, what)| loss(direction, what))
                .collect()
        }
        Op::Wrap(List { many: Many::First | Many::Last, .. }) => {
            vec![loss(Direction::Down, "keeps one of several elements")]
        }
        Op::Unwrap(List { many: Many::First | Many::Last, .. }) => {
            vec![loss(Direction::Up, "keeps one of several elements")]
        }
        Op::Split(_) => vec![separated(Direction::Down)],
        Op::Merge(_) => vec![separated(Direction::Up)],
        Op::Jq { down: None, .. } => vec![loss(Direction::Down, "has no program for the way down")],
        _ => Vec::new(),
    }
}

fn repeats(values: &[&Literal]) -> bool {
    (1..values.len()).any(|index| values[..index].contains(&values[index]))
}
