//! Renames one after the other, done at once.

use super::{pointer::Name, tree::Node};

/// A member's names through several changes: what each makes of the one before.
#[derive(Debug)]
pub(super) struct Renames {
    /// At least three: the oldest, those between, the newest.
    names: Vec<Name>,
}

impl Renames {
    /// - `pairs`: what each step renames, from the first on; none for a step that does something else.
    /// - Returns none where fewer than two follow each other.
    pub(super) fn of(pairs: &[Option<(&Name, &Name)>]) -> Option<Self> {
        let mut names: Vec<Name> = Vec::new();
        for (from, to) in pairs.iter().map_while(|pair| *pair) {
            match names.last() {
                None => names.push(from.clone()),
                Some(last) if last == from => {}
                Some(_) => break,
            }
            if names.contains(to) {
                break;
            }
            names.push(to.clone());
        }
        (names.len() > 2).then_some(Self { names })
    }

    /// How many steps it stands for.
    pub(super) fn count(&self) -> usize {
        self.names.len() - 1
    }

    /// Renames a member of an element; says whether there was one.
    ///
    /// None where that is not plain: for what is no object, and where two of the names stand in it. Then the
    /// steps have to do it one by one, and nothing has been done.
    pub(super) fn run<'a>(&'a self, element: &mut Node<'a>) -> Option<bool> {
        let (newest, older) = self.names.split_last()?;
        let object = element.object()?;
        let mut found = None;
        for (index, member) in object.members.iter().enumerate() {
            let is_older = older.iter().any(|name| member.key.says(name));
            if (is_older || member.key.says(newest)) && found.replace((index, is_older)).is_some() {
                return None;
            }
        }
        let Some((index, true)) = found else { return Some(false) };
        object.members[index].key = newest.into();
        object.text = None;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptation::{
        Direction, Mode, Program,
        op::{Edit, Op},
        pointer::Pointer,
    };

    fn renames() -> Renames {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(Name::new);
        Renames::of(&[Some((&a, &b)), Some((&b, &c)), Some((&c, &d)), None]).expect("three in a row")
    }

    #[test]
    fn only_renames_of_the_same_member_are_done_at_once() {
        let [a, b, c] = ["a", "b", "c"].map(Name::new);
        assert_eq!(renames().count(), 3);
        let count = |pairs: &[Option<(&Name, &Name)>]| Renames::of(pairs).map(|renames| renames.count());
        assert_eq!(count(&[Some((&a, &b)), Some((&b, &c)), Some((&a, &b))]), Some(2), "another member");
        assert_eq!(count(&[Some((&a, &b)), Some((&b, &a))]), None, "there and back");
        assert_eq!(count(&[Some((&a, &b)), None, Some((&b, &c))]), None);
    }

    #[test]
    fn at_once_is_as_one_by_one() {
        let edit = |from: &str, to: &str| {
            Edit::new(Pointer::parse("/[]").expect("a pointer"), Op::Rename(vec![(Name::new(from), Name::new(to))]))
        };
        let lists = [[edit("a", "b")], [edit("b", "c")], [edit("c", "d")]];
        let program = Program::fuse(lists.iter().map(|list| ("change", list.as_slice(), Direction::Up))).expect("ops");
        for (before, after) in [
            (r#"[{"a":1,"x":2}]"#, Some(r#"[{"d":1,"x":2}]"#)),
            (r#"[{"x":2,"c":1}]"#, Some(r#"[{"x":2,"d":1}]"#)),
            (r#"[{"d":1}]"#, Some(r#"[{"d":1}]"#)),
            (r#"[{"a":1,"c":2}]"#, Some(r#"[{"d":1}]"#)),
            (r#"[{"b":2,"a":1,"d":3}]"#, Some(r#"[{"d":1}]"#)),
            (r#"[{"a":1,"\u0061":2}]"#, None),
            (r#"[{"d":1,"d":2}]"#, None),
            (r#"[1,[],{"x":1}]"#, Some(r#"[1,[],{"x":1}]"#)),
        ] {
            let adapted = program.apply(&before.to_owned().into(), Mode::Whole);
            assert_eq!(
                adapted.ok().map(|adapted| adapted.body),
                after.map(|after| after.to_owned().into()),
                "{before}"
            );
        }
    }
}
