//! From what was found to what people read: whose fault it is, in which version's terms, and what to write.

use super::{course::Run, flow::Remark, trial::CounterExample, written};
use crate::{
    adaptation::{
        change::{Change, Direction, StatusKey},
        op::{Comeback, Op, ScalarType},
        pointer::Pointer,
    },
    config::finding::{Finding, Place, Severity},
    contract::{
        document,
        schema::{Branch, Schema, Values},
        subtype::{self, Misfit, Mismatch, Side},
    },
    domain::version::ApiVersion,
};

/// One body of one operation on its way from a version to another.
pub(crate) struct Journey<'p> {
    pub(crate) side: Side,
    pub(crate) direction: Direction,
    pub(crate) from: ApiVersion,
    pub(crate) to: ApiVersion,
    /// As the older version has it.
    pub(crate) operation: String,
    /// Whether a change of the journey speaks of the operation.
    pub(crate) listed: bool,
    /// Of a response, as the upstream sends it.
    pub(crate) status: Option<StatusKey>,
    pub(crate) runs: Vec<Run<'p>>,
    /// Where to point if no op is to blame.
    pub(crate) place: Place,
    pub(crate) change: &'p Change,
}

impl Journey<'_> {
    /// What an op's transfer has found.
    pub(crate) fn remarked(&self, run: &Run<'_>, remark: Remark) -> Finding {
        let Remark { severity, code, pointer, message, help } = remark;
        let message = format!("{message} ({})", self.bodies());
        self.finding(
            severity,
            code,
            &run.origin,
            message,
            help,
            run.change,
            &run.operation.endpoint.to_string(),
            &pointer,
        )
        .of_op(run.edit.op.name())
    }

    /// The source has no schema, and the target has one.
    pub(crate) fn undescribed(&self, place: &Place) -> Finding {
        let message =
            format!("nothing is proven: {place} does not describe {} of version {}", self.bodies(), self.from);
        let help = "add content with a schema for application/json there";
        self.of_the_whole(Severity::Warning, "unknown", message, help.to_owned())
    }

    /// The target wants a body, and the source may come without.
    pub(crate) fn bodiless(&self, place: &Place) -> Finding {
        let message = format!(
            "requests of version {} may have no body, and version {} requires one ({place})",
            self.from, self.to
        );
        let help = format!(
            "no op makes a body: if it is always sent, write `required: true` beside `content` in the document of {}",
            self.from
        );
        self.of_the_whole(Severity::Error, "missing-required", message, help)
    }

    /// The target does not take bodies of a media type. Only JSON would have been adapted; of an answer nothing else is
    /// left.
    pub(crate) fn untaken(&self, media_type: &str, place: &Place) -> Finding {
        let message = format!(
            "{} of version {} may be {media_type}, and version {} takes none ({place})",
            self.bodies(),
            self.from,
            self.to
        );
        let help = format!("add it there, or take it out of the document of {}", self.from);
        let is_hard = self.side == Side::Response || document::is_json(media_type);
        let severity = if is_hard { Severity::Error } else { Severity::Warning };
        self.of_the_whole(severity, "type-flow", message, help)
    }

    fn of_the_whole(&self, severity: Severity, code: &'static str, message: String, help: String) -> Finding {
        let whole = Pointer::default();
        self.finding(severity, code, &self.place, message, help, self.change, &self.operation, &whole)
    }

    /// Integers of 64 bits that a change makes of strings, towards clients: many read numbers as doubles.
    pub(crate) fn imprecise(&self, target: &Schema) -> Vec<Finding> {
        let mut found = Vec::new();
        for run in self.runs.iter().filter(|_| self.side == Side::Response) {
            let Op::Convert { path, from, to, .. } = &run.edit.op else { continue };
            let (from, to) = if self.direction == Direction::Up { (from, to) } else { (to, from) };
            let full = run.edit.at.join(path);
            let is_wide = |branch: &Branch| matches!(branch, Branch::Number(numbers) if matches!(numbers.format.as_deref(), Some("int64" | "uint64")));
            let wide = at(target, full.segments()).is_some_and(|schema| schema.branches().iter().any(is_wide));
            if *from == ScalarType::String && *to != ScalarType::Boolean && wide {
                let message = format!(
                    "{} of version {} give \"{full}\" as a number of 64 bits: clients that read numbers as doubles lose digits beyond 2^53",
                    self.bodies(),
                    self.to
                );
                let help = "keep it a string, or tell the clients of that version".to_owned();
                let operation = run.operation.endpoint.to_string();
                let finding = self.finding(
                    Severity::Warning,
                    "number-precision",
                    &run.origin,
                    message,
                    help,
                    run.change,
                    &operation,
                    &full,
                );
                found.push(finding.of_op(run.edit.op.name()));
            }
        }
        found
    }

    /// A document that shows what the flow could not tell.
    pub(crate) fn refuted(&self, example: &CounterExample) -> Finding {
        let by_pointer = |run: &&Run<'_>| {
            written::pointers(run.edit, self.direction).iter().any(|place| written::holds(place, &example.pointer))
        };
        let culprit = self.runs.iter().rev().find(by_pointer).or(self.runs.last());
        let message = format!(
            "{} of version {} would not be valid in {}: {} becomes {}: {}",
            self.bodies(),
            self.from,
            self.to,
            example.document,
            example.result,
            example.error
        );
        let help = "let an op cover such values, or say in the document of the one side that there are none".to_owned();
        let (place, change) = culprit.map_or((&self.place, self.change), |run| (&run.origin, run.change));
        let (code, operation) = (example.code(), &self.operation);
        let finding = self.finding(Severity::Error, code, place, message, help, change, operation, &example.pointer);
        match culprit {
            Some(run) => finding.of_op(run.edit.op.name()),
            None => finding,
        }
    }

    /// What of the result does not fit the target.
    ///
    /// - `broken`: ops about which something is said already.
    pub(crate) fn verdict(&self, result: &Schema, target: &Schema, broken: &[Place]) -> Vec<Finding> {
        subtype::mismatches(result, target, self.side)
            .into_iter()
            .filter(|mismatch| !self.culprit(mismatch).is_some_and(|run| broken.contains(&run.origin)))
            .flat_map(|mismatch| self.judged(&mismatch, result, target))
            .collect()
    }

    /// What does not fit; and whose value it is, where an op supplies one.
    fn judged(&self, mismatch: &Mismatch, result: &Schema, target: &Schema) -> Vec<Finding> {
        let culprit = self.culprit(mismatch);
        let (mut severity, mut code) = grade(&mismatch.reason);
        if !mismatch.certain && severity == Severity::Error {
            (severity, code) = (Severity::Warning, "unknown");
        }
        let mut grades = vec![(severity, code)];
        let mut help = self.remedy(mismatch, result, target);
        if culprit.is_some_and(|run| self.is_bad_default(run, mismatch, target)) {
            help = format!("supply a value that version {} permits there", self.to);
            // A doubt about the same value has nothing to add.
            grades.retain(|(severity, _)| *severity == Severity::Error);
            grades.insert(0, (Severity::Error, "bad-default"));
        }
        let by = culprit.map_or_else(String::new, |run| format!("{}: ", run.edit.op.name()));
        let mut spot = mismatch.target.to_string();
        if spot.is_empty() {
            spot = "its document".to_owned();
        }
        let message = format!(
            "{by}{} of version {} would not be valid in {}: \"{}\" {} ({spot})",
            self.bodies(),
            self.from,
            self.to,
            mismatch.pointer,
            mismatch.reason
        );
        let (place, change, operation) = match culprit {
            Some(run) => (&run.origin, run.change, run.operation.endpoint.to_string()),
            None => (&self.place, self.change, self.operation.clone()),
        };
        let told = |(severity, code)| {
            let (message, help) = (message.clone(), help.clone());
            let finding = self.finding(severity, code, place, message, help, change, &operation, &mismatch.pointer);
            match culprit {
                Some(run) => finding.of_op(run.edit.op.name()),
                None => finding,
            }
        };
        grades.into_iter().map(told).collect()
    }

    /// The op that made what does not fit: by where it stands, else the last one that writes there.
    fn culprit(&self, mismatch: &Mismatch) -> Option<&Run<'_>> {
        let by_place = self.runs.iter().rev().find(|run| run.origin == mismatch.source);
        by_place.or_else(|| {
            let writes = |run: &&Run<'_>| {
                written::pointers(run.edit, self.direction).iter().any(|place| written::holds(place, &mismatch.pointer))
            };
            self.runs.iter().rev().find(writes)
        })
    }

    /// Whether it is the value an op supplies that does not fit.
    fn is_bad_default(&self, run: &Run<'_>, mismatch: &Mismatch, target: &Schema) -> bool {
        let (path, value) = match (&run.edit.op, self.direction) {
            (Op::Add { path, value: Some(value), .. }, Direction::Up) => (path, value),
            (Op::Remove { path, down: Comeback::Value(value) }, Direction::Down) => (path, value),
            _ => return false,
        };
        let full = run.edit.at.join(path);
        let Ok(value) = serde_json::from_slice(value.as_bytes()) else { return false };
        if !written::holds(&full, &mismatch.pointer) {
            return false;
        }
        let wanted = at(target, full.segments());
        let own = Schema::of_value(&value, &run.origin);
        let is_sure = |misfit: &Mismatch| misfit.certain && !matches!(misfit.reason, Misfit::Doubt(_));
        wanted.is_some_and(|wanted| subtype::mismatches(&own, &wanted, self.side).iter().any(is_sure))
    }

    fn remedy(&self, mismatch: &Mismatch, result: &Schema, target: &Schema) -> String {
        let up = self.direction == Direction::Up;
        let place = match &mismatch.pointer {
            whole if whole.segments().is_empty() => "''".to_owned(),
            inside => inside.to_string(),
        };
        let remedy = match &mismatch.reason {
            Misfit::Missing => {
                let give = if up {
                    format!("- add: {{path: {place}, value: …}}")
                } else {
                    format!("- remove: {{path: {place}, down: {{value: …}}}}")
                };
                match self.left_over(&mismatch.pointer, result, target) {
                    Some((old, new)) if up => format!(
                        "if it is what \"{old}\" was, write `- rename: {{{old}: {new}}}`; else give it a value: `{give}`"
                    ),
                    Some((old, new)) => format!(
                        "if it is what \"{old}\" became, write `- rename: {{{new}: {old}}}`; else give it a value: `{give}`"
                    ),
                    None => format!("give it a value: `{give}`"),
                }
            }
            Misfit::Extra(Some(_)) if up => {
                format!("take it away: `- remove: {{path: {place}}}`, and say under lossy what that loses")
            }
            Misfit::Extra(Some(_)) => format!("say that the newer version has gained it: `- add: {{path: {place}}}`"),
            Misfit::Extra(None) => format!(
                "write additionalProperties: false for the object in the document of {}, or permit others in that of {}",
                self.from, self.to
            ),
            Misfit::Null if up => format!("say what null becomes: `- map: {{path: {place}, pairs: [[null, …]]}}`"),
            Misfit::Null => format!("say what null was: `- map: {{path: {place}, pairs: [[…, null]]}}`"),
            Misfit::Kind { found, permitted } => match (scalar(found), permitted.first().filter(|kind| scalar(kind))) {
                (true, Some(wanted)) => {
                    let (old, new) = if up { (found, wanted) } else { (wanted, found) };
                    format!("convert it: `- convert: {{path: {place}, from: {old}, to: {new}}}`")
                }
                _ => "let an op make the one of the other, or correct the document that is wrong".to_owned(),
            },
            Misfit::Unlisted(_) => {
                format!("say what each becomes: `- map: {{path: {place}, pairs: [[older, newer], …]}}`")
            }
            Misfit::Unbounded(_) => format!(
                "list the values in the document of {}, or map them and say what becomes of others (up_else, down_else)",
                self.from
            ),
            Misfit::Bound(bound) => {
                format!("if it always holds, write {bound} into the document of {}, too", self.from)
            }
            Misfit::Ambiguous => format!(
                "let the document of {} tell its alternatives apart by a member with one value each, and let ops keep it",
                self.to
            ),
            Misfit::Doubt(_) => "see to it that the ops leave alone what that keyword looks at".to_owned(),
        };
        if self.listed { remedy } else { format!("{remedy}, below `- match: {}` in this change", self.operation) }
    }

    /// A member that the target does not know beside the one it misses, if there is one: its name and the missing one's.
    fn left_over(&self, missing: &Pointer, result: &Schema, target: &Schema) -> Option<(String, String)> {
        let (parent, name) = missing.split_name()?;
        let (have, want) = (at(result, parent.segments())?.object()?, at(target, parent.segments())?.object()?);
        let mut unknown = have
            .fields
            .iter()
            .filter(|field| want.field(&field.name).is_none() && !subtype::is_impossible(&field.schema));
        let wanted = &want.field(name.as_str())?.schema;
        let fits = |schema: &Schema| subtype::answer(schema, wanted, self.side) == subtype::Answer::Yes;
        match (unknown.next(), unknown.next()) {
            (Some(one), None) if fits(&one.schema) => Some((one.name.clone(), name.as_str().to_owned())),
            _ => None,
        }
    }

    /// `requests`, or `200 responses`.
    fn bodies(&self) -> String {
        match (self.side, self.status) {
            (Side::Request, _) => "requests".to_owned(),
            (Side::Response, status) => responses(status.unwrap_or(StatusKey::Default)),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "every member of a finding")]
    fn finding(
        &self,
        severity: Severity,
        code: &'static str,
        place: &Place,
        message: String,
        help: String,
        change: &Change,
        operation: &str,
        pointer: &Pointer,
    ) -> Finding {
        let new = if severity == Severity::Error { Finding::error } else { Finding::warning };
        new(place, code, message, help).in_change(&change.name).in_operation(operation).at_pointer(&pointer.to_string())
    }
}

/// `200 responses`.
pub(crate) fn responses(status: StatusKey) -> String {
    match status {
        StatusKey::Exact(status) => format!("{status} responses"),
        StatusKey::Class(class) => format!("{class}xx responses"),
        StatusKey::Default => "responses".to_owned(),
    }
}

/// How bad a misfit is, and its code.
pub(crate) fn grade(misfit: &Misfit) -> (Severity, &'static str) {
    match misfit {
        Misfit::Missing => (Severity::Error, "missing-required"),
        Misfit::Extra(_) => (Severity::Error, "closed-extra"),
        Misfit::Null => (Severity::Error, "null-flow"),
        Misfit::Kind { .. } => (Severity::Error, "type-flow"),
        Misfit::Unlisted(_) => (Severity::Error, "enum-uncovered"),
        Misfit::Unbounded(_) => (Severity::Warning, "enum-open"),
        Misfit::Bound(_) => (Severity::Warning, "range"),
        Misfit::Ambiguous => (Severity::Error, "union-ambiguous"),
        Misfit::Doubt(_) => (Severity::Warning, "unknown"),
    }
}

fn scalar(kind: &str) -> bool {
    matches!(kind, "string" | "integer" | "number" | "boolean")
}

/// What a schema says of a place; the first branch that knows it.
pub(crate) fn at(schema: &Schema, path: &[crate::adaptation::pointer::Segment]) -> Option<Schema> {
    use crate::adaptation::pointer::Segment;
    let Some((segment, rest)) = path.split_first() else { return Some(schema.clone()) };
    let opened = schema.opened();
    let Values::Branches(branches) = &opened.values else { return None };
    branches.iter().find_map(|branch| match (branch, segment) {
        (Branch::Object(objects), Segment::Name(name)) => at(&objects.field(name.as_str())?.schema, rest),
        (Branch::Object(objects), Segment::Values) => match &objects.rest {
            crate::contract::schema::Rest::Each(schema) => at(schema, rest),
            _ => None,
        },
        (Branch::Array(arrays), Segment::Each) => at(&arrays.items, rest),
        _ => None,
    })
}
