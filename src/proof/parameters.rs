//! The proof of one operation's query parameters, cookies and header fields.

use super::{
    course::{Course, Hop},
    fields::{self, Field, Sent, Step},
    prove::Proof,
    verdict::{self, grade},
};
use crate::{
    adaptation::{
        change::{Change, Direction, StatusKey},
        fields::FieldEdit,
    },
    config::{
        finding::{Finding, Place, Severity},
        suggest,
    },
    contract::{
        Parameter,
        document::{Location, Operation, Response},
        subtype::{self, Misfit, Mismatch, Side},
    },
    domain::{
        api::SourcePlace,
        endpoint::{Endpoint, Segment},
        version::ApiVersion,
    },
};

/// Fields that documents may list and do not describe (OpenAPI 3.1 sections 4.8.12.1 and 4.8.17.1).
const ELSEWHERE: [&str; 3] = ["accept", "content-type", "authorization"];

/// Where names and values travel, and between whom.
struct Trip<'t> {
    location: Location,
    side: Side,
    direction: Direction,
    from: &'t ApiVersion,
    to: &'t ApiVersion,
    /// The operation, as findings name it.
    operation: String,
    /// `requests`, or `200 responses`.
    messages: String,
}

impl<'p> Proof<'p> {
    /// Those of requests.
    pub(super) fn parameters(
        &mut self,
        promised: &Operation,
        answered: &Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
    ) {
        self.path_parameters(promised, answered, endpoint, course);
        for location in [Location::Query, Location::Header, Location::Cookie] {
            let sent = self.described(&promised.parameters, location);
            let wanted = self.described(&answered.parameters, location);
            if sent.is_empty() && wanted.is_empty() {
                continue;
            }
            let trip = self.trip(Side::Request, location, endpoint, course, "requests".to_owned());
            let steps = |hop: &Hop<'_>| match location {
                Location::Query => fields::steps(&hop.operation.query, course.direction, |op, way| op.toward(way)),
                Location::Header => fields::steps(&hop.operation.request_headers, course.direction, |op, way| {
                    op.toward(way).map(fields::of_headers)
                }),
                Location::Path | Location::Cookie => Vec::new(),
            };
            let steps: Vec<(usize, Vec<Step>)> =
                course.hops.iter().enumerate().map(|(index, hop)| (index, steps(hop))).collect();
            self.travel(&trip, course, &sent, &wanted, &steps);
        }
    }

    /// Those that are segments of the path: the change binds them by place, whatever documents call them.
    fn path_parameters(
        &mut self,
        promised: &Operation,
        answered: &Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
    ) {
        // Where the chain ends they bear the numbers of their places in the client's path.
        let numbers: Vec<usize> = params(&course.end).filter_map(|name| name.parse().ok()).collect();
        let described = |operation: &Operation, name: &str| {
            let known = |known: &&Parameter| known.location == Location::Path && known.name == name;
            operation.parameters.iter().find(known).cloned()
        };
        let (mut sent, mut wanted) = (Vec::new(), Vec::new());
        for (number, name) in numbers.iter().zip(params(&answered.endpoint)) {
            let own = number.checked_sub(1).and_then(|index| params(&promised.endpoint).nth(index));
            if let (Some(own), Some(target)) = (own.and_then(|own| described(promised, own)), described(answered, name))
            {
                sent.push(Parameter { name: name.to_owned(), ..own });
                wanted.push(target);
            }
        }
        let trip = self.trip(Side::Request, Location::Path, endpoint, course, "requests".to_owned());
        self.travel(&trip, course, &sent.iter().collect::<Vec<_>>(), &wanted.iter().collect::<Vec<_>>(), &[]);
    }

    /// The fields of an answer.
    pub(super) fn response_fields(
        &mut self,
        (sent, status): (&Response, StatusKey),
        expected: &Response,
        endpoint: &Endpoint,
        course: &Course<'p>,
    ) {
        let (from, to) =
            (self.described(&sent.headers, Location::Header), self.described(&expected.headers, Location::Header));
        if to.is_empty() {
            return;
        }
        let messages = verdict::responses(status);
        let trip = self.trip(Side::Response, Location::Header, endpoint, course, messages);
        let steps = course.hops.iter().enumerate().rev().map(|(index, hop)| {
            let toward = |op: &crate::adaptation::fields::HeaderOp, way| op.toward(way).map(fields::of_headers);
            (index, fields::steps(&hop.operation.response_headers, trip.direction, toward))
        });
        let steps: Vec<(usize, Vec<Step>)> = steps.collect();
        self.travel(&trip, course, &from, &to, &steps);
    }

    /// What a document describes of a place, less what the gateway itself looks at.
    fn described<'d>(&self, all: &'d [Parameter], location: Location) -> Vec<&'d Parameter> {
        let is_elsewhere = |name: &str| location == Location::Header && ELSEWHERE.contains(&name);
        let counts = |known: &&Parameter| {
            known.location == location && !self.names_the_version(location, &known.name) && !is_elsewhere(&known.name)
        };
        all.iter().filter(counts).collect()
    }

    fn names_the_version(&self, location: Location, name: &str) -> bool {
        self.subject.api.versioning.sources.iter().any(|source| match &source.place {
            SourcePlace::Header(header) => location == Location::Header && header.as_str() == name,
            SourcePlace::Query(query) => location == Location::Query && query == name,
            SourcePlace::Path(_) | SourcePlace::Accept(_) => false,
        })
    }

    /// What an edit of the query works on has to be there, and nothing may stand where it writes. Header fields are
    /// rarely described in full.
    fn unplaced(&self, trip: &Trip<'_>, hop: &Hop<'p>, step: &Step, arrived: &Sent) -> Vec<Finding> {
        if trip.location != Location::Query {
            return Vec::new();
        }
        let up = trip.direction == Direction::Up;
        let version = if up { &hop.change.from } else { &hop.change.to };
        let op = match (step, up) {
            (FieldEdit::Rename(_), _) => "rename",
            (FieldEdit::Map(..), _) => "map",
            (FieldEdit::Default(..) | FieldEdit::Set(..), true) | (FieldEdit::Delete(_), false) => "add",
            (FieldEdit::Default(..) | FieldEdit::Set(..), false) | (FieldEdit::Delete(_), true) => "remove",
        };
        let found = |code, name: &str, message: String, help: String| {
            let finding = Finding::error(&hop.origins.place, code, format!("{op}: {message} (requests)"), help);
            finding
                .in_change(&hop.change.name)
                .in_operation(&trip.operation)
                .of_op(op)
                .at_pointer(&name.to_ascii_lowercase())
        };
        let is_known = |name: &str| arrived.get(name).is_some() || self.names_the_version(trip.location, name);
        let missing = |name: &str| {
            let near = suggest::nearest(name, arrived.fields.iter().map(|field| field.name.as_str()));
            let help = near.map_or_else(
                || format!("correct the name, or describe the parameter in the document of {version}"),
                |near| format!("did you mean \"{near}\"?"),
            );
            found("no-such-path", name, format!("version {version} has no query parameter \"{name}\""), help)
        };
        let taken = |name: &str| {
            let message = format!("version {version} has a query parameter \"{name}\" already");
            found("target-exists", name, message, "take that one away first, or name another one".to_owned())
        };
        match step {
            FieldEdit::Rename(pairs) => {
                let stays = |name: &str| arrived.get(name).is_some() && !pairs.iter().any(|(from, _)| from == name);
                let missing = pairs.iter().filter(|(from, _)| !is_known(from)).map(|(from, _)| missing(from));
                let taken = pairs.iter().filter(|(_, to)| stays(to)).map(|(_, to)| taken(to));
                missing.chain(taken).collect()
            }
            FieldEdit::Delete(name) | FieldEdit::Map(name, _) if !is_known(name) => vec![missing(name)],
            FieldEdit::Default(name, _) if arrived.get(name).is_some_and(|field| field.required) => vec![taken(name)],
            FieldEdit::Delete(_) | FieldEdit::Map(..) | FieldEdit::Default(..) | FieldEdit::Set(..) => Vec::new(),
        }
    }

    fn trip(
        &self,
        side: Side,
        location: Location,
        endpoint: &Endpoint,
        course: &Course<'_>,
        messages: String,
    ) -> Trip<'p> {
        let version = |index: usize| &self.subject.api.versions[index].name;
        let (client, upstream) = (version(self.span.client), version(self.span.upstream));
        let requests = side == Side::Request;
        let (from, to) = if requests { (client, upstream) } else { (upstream, client) };
        let direction = if requests { course.direction } else { course.direction.reverse() };
        let operation = course.hops.first().map_or(endpoint, |hop| &hop.operation.endpoint).to_string();
        Trip { location, side, direction, from, to, operation, messages }
    }

    fn travel(
        &mut self,
        trip: &Trip<'_>,
        course: &Course<'p>,
        sent: &[&Parameter],
        wanted: &[&Parameter],
        steps: &[(usize, Vec<Step>)],
    ) {
        let mut arrived = Sent::of(sent.iter().copied());
        let mut found = Vec::new();
        for (index, steps) in steps {
            let hop = &course.hops[*index];
            for step in steps {
                found.extend(self.unplaced(trip, hop, step, &arrived));
                arrived.run(step, *index, &hop.origins.place);
            }
        }
        for target in wanted {
            let field = arrived.get(&target.name);
            if target.required && !field.is_some_and(|field| field.required) {
                found.push(self.missing(trip, course, target, field, &arrived, wanted));
            }
            if let Some(field) = field {
                let read = fields::read_as(&field.schema, &target.schema);
                let misfits = subtype::mismatches(&read, &target.schema, trip.side);
                found.extend(misfits.iter().map(|misfit| self.misfit(trip, course, target, field, misfit)));
            }
        }
        // Nobody has to read every field of an answer.
        let unknown = |field: &&Field| !wanted.iter().any(|target| target.name == field.name);
        if trip.side == Side::Request {
            found.extend(arrived.fields.iter().filter(unknown).map(|field| self.ignored(trip, course, field)));
        }
        self.findings.extend(found);
    }

    fn missing(
        &self,
        trip: &Trip<'_>,
        course: &Course<'p>,
        target: &Parameter,
        field: Option<&Field>,
        arrived: &Sent,
        wanted: &[&Parameter],
    ) -> Finding {
        let name = &target.name;
        let (add, rename) = match trip.direction {
            Direction::Up => (format!("add: {{name: {name}, value: …}}"), false),
            Direction::Down => (format!("remove: {{name: {name}, down: …}}"), true),
        };
        let unknown = |known: &&Field| !wanted.iter().any(|target| target.name == known.name);
        let mut left = arrived.fields.iter().filter(unknown);
        let help = match (trip.key(), left.next(), left.next()) {
            (None, ..) => "no op changes cookies: let the document say that it may be absent".to_owned(),
            (Some(key), Some(one), None) => {
                let (old, new) = if rename { (name, &one.name) } else { (&one.name, name) };
                format!(
                    "if it is what \"{}\" is elsewhere, write `{key}: [{{rename: {{{old}: {new}}}}}]`; else give it a value: `{key}: [{{{add}}}]`",
                    one.name
                )
            }
            (Some(key), ..) => format!("give it a value: `{key}: [{{{add}}}]`"),
        };
        let words = format!("may be absent and is required ({})", target.place);
        self.about(trip, course, field, "missing-required", Severity::Error, name, &words, help)
    }

    fn misfit(
        &self,
        trip: &Trip<'_>,
        course: &Course<'p>,
        target: &Parameter,
        field: &Field,
        misfit: &Mismatch,
    ) -> Finding {
        let (mut severity, mut code) = grade(&misfit.reason);
        let supplied = field.supplied.as_ref().is_some_and(|supplied| {
            let read = fields::read_as(supplied, &target.schema);
            !subtype::mismatches(&read, &target.schema, trip.side).is_empty()
        });
        if supplied {
            (severity, code) = (Severity::Error, "bad-default");
        } else if !misfit.certain && severity == Severity::Error {
            (severity, code) = (Severity::Warning, "unknown");
        }
        let listed = matches!(misfit.reason, Misfit::Unlisted(_) | Misfit::Unbounded(_));
        let help = match trip.key() {
            _ if code == "bad-default" => format!("supply a value that version {} permits there", trip.to),
            Some("query") if listed => {
                format!("say what each becomes: `query: [{{map: {{name: {}, pairs: [[older, newer]]}}}}]`", target.name)
            }
            _ => "correct the document that is wrong: ops do not change the values of such a parameter".to_owned(),
        };
        let words = format!("{} ({})", misfit.reason, misfit.target);
        self.about(trip, course, Some(field), code, severity, &target.name, &words, help)
    }

    fn ignored(&self, trip: &Trip<'_>, course: &Course<'p>, field: &Field) -> Finding {
        let help = match (trip.key(), trip.direction) {
            (Some(key), Direction::Up) => format!(
                "say what it became, `{key}: [{{rename: {{{0}: …}}}}]`, or that it went, `{key}: [{{remove: {{name: {0}}}}}]`",
                field.name
            ),
            (Some(key), Direction::Down) => format!(
                "say what it was, `{key}: [{{rename: {{…: {0}}}}}]`, or that it came, `{key}: [{{add: {{name: {0}, value: …}}}}]`",
                field.name
            ),
            (None, _) => "add it to the document that lacks it".to_owned(),
        };
        let words = "may be sent and is not known there";
        self.about(trip, course, Some(field), "closed-extra", Severity::Warning, &field.name, words, help)
    }

    #[allow(clippy::too_many_arguments, reason = "every member of a finding")]
    fn about(
        &self,
        trip: &Trip<'_>,
        course: &Course<'p>,
        field: Option<&Field>,
        code: &'static str,
        severity: Severity,
        name: &str,
        words: &str,
        help: String,
    ) -> Finding {
        // The change that named it or gave it its value; else the last one that speaks of the operation.
        let hop = field.and_then(|field| field.by).map(|by| &course.hops[by]).or(course.hops.last());
        let (change, place): (&Change, Place) =
            hop.map_or_else(|| self.last_link(), |hop| (hop.change, hop.origins.place.clone()));
        let Trip { messages, from, to, .. } = trip;
        let what = trip.what();
        let message = format!("{messages} of version {from} would not be valid in {to}: the {what} {name:?} {words}");
        let new = if severity == Severity::Error { Finding::error } else { Finding::warning };
        let help =
            if hop.is_some() { help } else { format!("{help}, below `- match: {}` in this change", trip.operation) };
        let finding = new(&place, code, message, help).in_change(&change.name).in_operation(&trip.operation);
        finding.at_pointer(&name.to_ascii_lowercase())
    }
}

impl Trip<'_> {
    fn what(&self) -> &'static str {
        match self.location {
            Location::Path => "path parameter",
            Location::Query => "query parameter",
            Location::Header => "header field",
            Location::Cookie => "cookie",
        }
    }

    /// The key of an operation that changes such names; none: nothing does.
    fn key(&self) -> Option<&'static str> {
        match (self.location, self.side) {
            (Location::Path | Location::Cookie, _) => None,
            (Location::Query, _) => Some("query"),
            (Location::Header, Side::Request) => Some("headers"),
            (Location::Header, Side::Response) => Some("headers.response"),
        }
    }
}

/// The names of a path's parameters, from the left.
fn params(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    endpoint.segments().iter().filter_map(|segment| match segment {
        Segment::Param(name) => Some(name.as_str()),
        Segment::Literal(_) => None,
    })
}

#[cfg(test)]
mod tests;
