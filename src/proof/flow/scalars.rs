//! Scalars: convert, scale, map.
//!
//! Listed values go through the engine itself, so what becomes of them is known exactly.

use bytes::Bytes;
use serde_json::Value;

use super::{Fate, Flow, of_literal};
use crate::{
    adaptation::{
        Mode, Program,
        change::Direction,
        literal::Literal,
        op::{Edit, Op, Otherwise, ScalarType},
        pointer::Pointer,
    },
    config::finding::Severity,
    contract::{
        language,
        schema::{Booleans, Bound, Branch, Numbers, Schema, Strings, Values},
        unite,
    },
};

/// How converted integers are written.
const INTEGER: &str = "^-?(0|[1-9][0-9]*)$";
/// How converted numbers are written.
const NUMBER: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$";

impl Flow<'_> {
    pub(super) fn convert(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        from: ScalarType,
        to: ScalarType,
        otherwise: &Otherwise,
        at: &Pointer,
    ) -> Fate {
        let Some(branches) = self.scalars(schema, edit, at, &|branch| is_of(branch, from)) else { return Fate::Kept };
        let (mut made, mut partial) = (Vec::new(), false);
        for branch in branches {
            if branch == Branch::Null {
                unite::add(&mut made, branch);
            } else if let Some(listed) = listed(&branch) {
                for value in listed {
                    let new = self.engine(&value, edit);
                    let kept = new.as_ref() == Some(&value) && otherwise == &Otherwise::Pass;
                    partial |= (new.is_none() || kept) && from == ScalarType::String && value.is_string();
                    if !(kept && value.is_string() && from == ScalarType::String) {
                        add_value(&mut made, new.as_ref(), schema);
                    }
                }
            } else if is_of(&branch, from) {
                let (converted, sure) = converted(&branch, from, to);
                converted.into_iter().for_each(|branch| unite::add(&mut made, branch));
                if !sure && from == ScalarType::String {
                    // A string that cannot be read is what `partial` warns of.
                    partial = true;
                    if let Otherwise::Value(value) = otherwise {
                        self.fall_back(&mut made, branch, &Otherwise::Value(value.clone()), edit, schema);
                    }
                } else if !sure {
                    self.fall_back(&mut made, branch, otherwise, edit, schema);
                }
            } else {
                // Integers among numbers are converted, too.
                if let (Branch::Number(numbers), ScalarType::Integer) = (&branch, from) {
                    let integers = Branch::Number(Numbers { integer: true, ..numbers.clone() });
                    converted(&integers, from, to).0.into_iter().for_each(|branch| unite::add(&mut made, branch));
                }
                self.fall_back(&mut made, branch, otherwise, edit, schema);
            }
        }
        if partial {
            let message =
                format!("convert: {} does not say that every string at \"{at}\" reads as {}", self.source, to.as_str());
            let listing = match to {
                ScalarType::Integer => format!("a pattern such as {INTEGER}, or an enum,"),
                ScalarType::Number => format!("a pattern such as {NUMBER}, or an enum,"),
                ScalarType::String | ScalarType::Boolean => "an enum".to_owned(),
            };
            let help = format!("add {listing} to that OpenAPI document, or say what becomes of others with on_error");
            self.remark(Severity::Warning, "partial", at, message, help);
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    pub(super) fn scale(&mut self, schema: &mut Schema, edit: &Edit, shift: i32, at: &Pointer) -> Fate {
        let Some(branches) = self.scalars(schema, edit, at, &|branch| matches!(branch, Branch::Number(_))) else {
            return Fate::Kept;
        };
        let mut made = Vec::new();
        for branch in branches {
            match (listed(&branch), branch) {
                (Some(values), Branch::Number(_)) => {
                    values.iter().for_each(|value| add_value(&mut made, self.engine(value, edit).as_ref(), schema));
                }
                (None, Branch::Number(numbers)) => unite::add(&mut made, Branch::Number(scaled(&numbers, shift))),
                (_, Branch::Null) => unite::add(&mut made, Branch::Null),
                (_, other) if !edit.strict => unite::add(&mut made, other),
                _ => {}
            }
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    pub(super) fn map(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        pairs: &[(Literal, Literal)],
        otherwise: &Otherwise,
        at: &Pointer,
    ) -> Fate {
        let scalar = |branch: &Branch| !matches!(branch, Branch::Array(_) | Branch::Object(_));
        let Some(branches) = self.scalars(schema, edit, at, &scalar) else { return Fate::Kept };
        let values = |(old, new): &(Literal, Literal)| {
            let read = |literal: &Literal| serde_json::from_slice::<Value>(literal.as_bytes()).unwrap_or(Value::Null);
            (read(old), read(new))
        };
        let table: Vec<(Value, Value)> = pairs.iter().map(values).collect();
        let mut made = Vec::new();
        for branch in branches {
            if let Some(listed) = listed(&branch) {
                listed.iter().for_each(|value| add_value(&mut made, self.engine(value, edit).as_ref(), schema));
                continue;
            }
            let kind = |value: &Value| match &branch {
                Branch::String(_) => value.is_string(),
                Branch::Number(_) => value.is_number(),
                _ => false,
            };
            table.iter().filter(|(old, _)| kind(old)).for_each(|(_, new)| add_value(&mut made, Some(new), schema));
            self.fall_back(&mut made, branch, otherwise, edit, schema);
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    /// The branches of a value that an op for scalars works on; remarks if none is of its kind.
    fn scalars(
        &mut self,
        schema: &Schema,
        edit: &Edit,
        at: &Pointer,
        fits: &dyn Fn(&Branch) -> bool,
    ) -> Option<Vec<Branch>> {
        let Values::Branches(branches) = &schema.values else {
            self.unknown(edit, at);
            return None;
        };
        if !branches.iter().any(fits) && !branches.is_empty() {
            let kinds: Vec<&str> = branches.iter().map(Branch::kind).collect();
            let message =
                format!("{}: in {} the value at \"{at}\" is {}", edit.op.name(), self.source, kinds.join(" or "));
            self.error("op-type", at, message, remedy(&edit.op));
        }
        Some(branches.clone())
    }

    /// What becomes of values that the op has no rule for.
    fn fall_back(&self, made: &mut Vec<Branch>, branch: Branch, otherwise: &Otherwise, edit: &Edit, schema: &Schema) {
        match otherwise {
            Otherwise::Pass if !edit.strict => unite::add(made, branch),
            Otherwise::Pass | Otherwise::Error => {}
            Otherwise::Value(value) => {
                of_literal(value, &schema.place).branches().into_iter().for_each(|branch| unite::add(made, branch));
            }
        }
    }

    /// What the op makes of one value; none if it refuses it.
    fn engine(&self, value: &Value, edit: &Edit) -> Option<Value> {
        let mut op = edit.op.clone();
        match &mut op {
            Op::Convert { path, .. } | Op::Map { path, .. } | Op::Scale { path, .. } => *path = Pointer::default(),
            _ => return Some(value.clone()),
        }
        let edit = Edit { strict: edit.strict, ..Edit::new(Pointer::default(), op) };
        let direction = if self.direction == Direction::Up { Direction::Up } else { Direction::Down };
        let program = Program::fuse([(self.change, std::slice::from_ref(&edit), direction)])?;
        let adapted = program.apply(&Bytes::from(value.to_string()), Mode::Whole).ok()?;
        serde_json::from_slice(&adapted.body).ok()
    }
}

fn add_value(made: &mut Vec<Branch>, value: Option<&Value>, schema: &Schema) {
    if let Some(value) = value {
        Schema::of_value(value, &schema.place).branches().into_iter().for_each(|branch| unite::add(made, branch));
    }
}

/// Whether values of the branch are of a type that `convert` reads.
fn is_of(branch: &Branch, wanted: ScalarType) -> bool {
    match (branch, wanted) {
        (Branch::String(_), ScalarType::String) | (Branch::Boolean(_), ScalarType::Boolean) => true,
        (Branch::Number(numbers), ScalarType::Integer) => numbers.integer,
        (Branch::Number(_), ScalarType::Number) => true,
        _ => false,
    }
}

/// The values of a branch, if they are listed.
fn listed(branch: &Branch) -> Option<Vec<Value>> {
    match branch {
        Branch::String(strings) => Some(strings.only.as_ref()?.iter().map(|text| Value::from(text.as_str())).collect()),
        Branch::Number(numbers) => Some(numbers.only.as_ref()?.iter().cloned().map(Value::Number).collect()),
        Branch::Boolean(booleans) => {
            Some(booleans.only.map_or(vec![true.into(), false.into()], |only| vec![only.into()]))
        }
        Branch::Null => Some(vec![Value::Null]),
        Branch::Array(_) | Branch::Object(_) => None,
    }
}

/// What values that are not listed become, and whether all of them do.
fn converted(branch: &Branch, from: ScalarType, to: ScalarType) -> (Vec<Branch>, bool) {
    use ScalarType as T;
    let flags = || vec![Branch::Boolean(Booleans::default())];
    match (branch, to) {
        (Branch::String(strings), T::Integer | T::Number) => {
            let integer = to == T::Integer;
            let reads = |pattern: &String| language::is_within(pattern, if integer { INTEGER } else { NUMBER });
            let numbers = Numbers { integer, ..Numbers::default() };
            (vec![Branch::Number(numbers)], strings.patterns.iter().any(reads))
        }
        (Branch::String(_), T::Boolean) => (flags(), false),
        (Branch::Number(numbers), T::String) => {
            let pattern = if numbers.integer || from == T::Integer { INTEGER } else { NUMBER };
            (vec![Branch::String(Strings { patterns: vec![pattern.to_owned()], ..Strings::default() })], true)
        }
        (Branch::Number(numbers), T::Integer) => {
            (vec![Branch::Number(Numbers { integer: true, ..numbers.clone() })], numbers.integer)
        }
        (Branch::Number(_), T::Boolean) => (flags(), false),
        (other, _) => (vec![other.clone()], true),
    }
}

fn scaled(numbers: &Numbers, shift: i32) -> Numbers {
    let factor = 10f64.powi(shift);
    let bound = |bound: Option<Bound>| bound.map(|bound| Bound { value: bound.value * factor, ..bound });
    let step = numbers.multiple_of.or(numbers.integer.then_some(1.0)).map(|step| step * factor);
    let integer = step.is_some_and(|step| step >= 1.0 && step.fract() == 0.0);
    Numbers {
        integer,
        min: bound(numbers.min),
        max: bound(numbers.max),
        multiple_of: step.filter(|step| *step != 1.0),
        format: None,
        only: None,
    }
}

fn remedy(op: &Op) -> &'static str {
    match op {
        Op::Convert { .. } => "write the types the two documents have as from and to, or take the op out",
        Op::Scale { .. } => "only numbers are scaled; convert a string first",
        _ => "let the path lead to a scalar",
    }
}
