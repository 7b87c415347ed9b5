//! JSON Patches (RFC 6902): operations on places of a document instead of a document.

use bytes::Bytes;

use super::{
    error::{AdaptationError, Reason},
    literal::quote,
    pointer::{self, Name},
    program::Program,
    scalar, scan,
    scan::Touch,
    tree::{Node, Object},
};

/// Why a patch cannot be adapted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// It is no patch.
    Body(AdaptationError),
    /// One of its operations is about a value that looks different in the other version.
    Unsupported,
}

impl From<Reason> for PatchError {
    fn from(reason: Reason) -> Self {
        Self::Body(AdaptationError::of_body(reason))
    }
}

impl Program {
    /// Whether its steps do nothing but give values other names and places: then it adapts patches.
    pub fn relocates_only(&self) -> bool {
        self.steps().all(|step| step.relocates_only())
    }

    /// Adapts the places that a patch names; [`Program::relocates_only`] has to hold.
    ///
    /// - Errors: it is no patch, or it names a place that contains others which move: the value
    ///   there has another shape in the other version.
    pub fn apply_to_patch(&self, body: &Bytes) -> Result<Bytes, PatchError> {
        let mut touch = Touch::default();
        touch.open_array();
        let mut root = scan::read(body, &touch)?;
        let Some(list) = root.array() else { return Err(Reason::Malformed.into()) };
        let mut changed = false;
        for item in &mut list.items {
            let Some(operation) = item.object() else { return Err(Reason::Malformed.into()) };
            changed |= self.relocate(operation)?;
        }
        if !changed {
            return Ok(body.clone());
        }
        list.text = None;
        let mut out = Vec::with_capacity(body.len() + 64);
        root.write(&mut out);
        Ok(out.into())
    }

    /// Whether something changed.
    fn relocate(&self, operation: &mut Object<'_>) -> Result<bool, PatchError> {
        let mut changed = false;
        for name in ["path", "from"] {
            let at = operation.find(&Name::new(name)).map_err(|_| Reason::DuplicateMember)?;
            let Some(at) = at else { continue };
            let value = operation.members[at].value.text().and_then(scalar::unquote);
            let place = value.and_then(|text| String::from_utf8(text.into_owned()).ok());
            let Some(place) = place.filter(|place| place.is_empty() || place.starts_with('/')) else {
                return Err(Reason::Malformed.into());
            };
            let moved = self.place_of(&place).ok_or(PatchError::Unsupported)?;
            if moved != place {
                operation.members[at].value = Node::Made(quote(&moved));
                operation.text = None;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Where a place goes; none where something moves within it.
    fn place_of(&self, place: &str) -> Option<String> {
        let mut tokens = pointer::tokens(place);
        for step in self.steps() {
            if step.moves_within(&tokens) {
                return None;
            }
            tokens = step.follow(tokens);
        }
        Some(pointer::written(&tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptation::{
        change::Direction,
        op::{Edit, Op},
        pointer::Pointer,
    };

    fn edit(at: &str, op: Op) -> Edit {
        Edit::new(Pointer::parse(at).expect("a pointer"), op)
    }

    fn rename(from: &str, to: &str) -> Op {
        Op::Rename(vec![(Name::new(from), Name::new(to))])
    }

    fn adapted(edits: &[Edit], direction: Direction, patch: &str) -> Result<String, PatchError> {
        let program = Program::fuse([("c", edits, direction)]).expect("steps");
        assert!(program.relocates_only());
        let body = program.apply_to_patch(&Bytes::copy_from_slice(patch.as_bytes()))?;
        Ok(String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn places_move_and_everything_else_stays() {
        let edits = [edit("", rename("a", "b")), edit("/items/[]", rename("uid", "user"))];
        for (old, new) in [
            (r#"[{"op":"add","path":"/a","value":{"a": 1.0}}]"#, r#"[{"op":"add","path":"/b","value":{"a": 1.0}}]"#),
            (r#"[{"op":"move","from":"/a/x","path":"/c"}]"#, r#"[{"op":"move","from":"/b/x","path":"/c"}]"#),
            (r#"[{"op":"remove","path":"/items/3/uid"}]"#, r#"[{"op":"remove","path":"/items/3/user"}]"#),
            ("[ {\"op\": \"test\", \"path\": \"/c\"} ]", "[ {\"op\": \"test\", \"path\": \"/c\"} ]"),
            ("[]", "[]"),
        ] {
            assert_eq!(adapted(&edits, Direction::Up, old).as_deref(), Ok(new));
            assert_eq!(adapted(&edits, Direction::Down, new).as_deref(), Ok(old));
        }
    }

    #[test]
    fn a_value_within_which_something_moves_is_not_supported() {
        let edits = [edit("/items/[]", rename("uid", "user"))];
        for place in ["", "/items", "/items/0", "/items/-"] {
            let patch = format!("[{{\"op\":\"replace\",\"path\":\"{place}\",\"value\":[]}}]");
            assert_eq!(adapted(&edits, Direction::Up, &patch), Err(PatchError::Unsupported), "{place:?}");
        }
    }

    #[test]
    fn what_is_no_patch_is_malformed() {
        let edits = [edit("", rename("a", "b"))];
        for patch in ["{}", "[1]", "[{\"path\":1}]", "[{\"path\":\"a\"}]", "[{\"path\":\"/a\"}", ""] {
            assert_eq!(adapted(&edits, Direction::Up, patch), Err(Reason::Malformed.into()), "{patch}");
        }
        let twice = "[{\"path\":\"/a\",\"path\":\"/c\"}]";
        assert_eq!(adapted(&edits, Direction::Up, twice), Err(Reason::DuplicateMember.into()));
    }
}
