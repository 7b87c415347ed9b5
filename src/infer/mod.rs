//! `vergate infer`: what a change between two versions probably is, from examples of both.
//!
//! Nothing is believed that was not tried: an op is proposed, run by the engine on what the ops before
//! it have made of the older examples, and kept if that comes closer to the newer ones. What is printed
//! therefore does what it says, and what it does not reach is said too.

mod contracts;
mod json;
mod lines;
mod members;
mod names;
mod pieces;
mod relocate;
mod scope;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use self::json::Json;
pub use self::{json::JsonError, lines::Side};
use self::{json::Kind, lines::Line, relocate::Evidence, scope::Scope};
use crate::contract::Document;

/// More ops than that are no change but another API.
const OPS_MAX: usize = 200;

/// Pairs of documents that say the same in the older and the newer version.
#[derive(Debug, Default)]
pub struct Examples {
    pairs: Vec<(Json, Json)>,
}

impl Examples {
    /// Adds a pair of JSON texts.
    ///
    /// - Errors: why the older text, or the newer one (`Err((true, …))`), is no example.
    pub fn add(&mut self, older: &str, newer: &str) -> Result<(), (bool, JsonError)> {
        let older = Json::read(older).map_err(|error| (false, error))?;
        let newer = Json::read(newer).map_err(|error| (true, error))?;
        self.pairs.push((older, newer));
        Ok(())
    }
}

/// A list of ops, and what it does not reach.
#[derive(Debug)]
pub struct Proposal {
    lines: Vec<Line>,
    /// Pointers of the newer version whose values no op explains; empty if the list leads all the way.
    pub missing: Vec<String>,
}

/// What a change says of itself.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its name.
    pub change: String,
    /// The older version.
    pub from: String,
    /// The newer version.
    pub to: String,
    /// `POST /parse`.
    pub operation: String,
    /// Which bodies the examples are.
    pub side: Side,
}

/// Finds a list of ops that makes the newer examples of the older ones.
pub fn infer(examples: &Examples, side: Side) -> Proposal {
    search(&examples.pairs, side, Evidence::Values)
}

/// Finds a change between two OpenAPI documents.
///
/// - `head`: its operation and side say nothing here.
/// - Returns the change file, and what it does not reach.
pub fn between(old: &Document, new: &Document, head: &Head) -> (String, Vec<String>) {
    let (entries, missing) = contracts::entries(old, new);
    let lossy = entries.iter().flat_map(contracts::Entry::lines).any(|line| line.lossy.is_some());
    let mut out = top(head, entries.is_empty() && missing.is_empty(), lossy, &missing);
    out.push_str(if entries.is_empty() { "operations: []\n" } else { "operations:\n" });
    entries.iter().for_each(|entry| contracts::write(entry, &head.to, &mut out));
    (out, missing)
}

fn search(pairs: &[(Json, Json)], side: Side, evidence: Evidence) -> Proposal {
    let newer: Vec<&Json> = pairs.iter().map(|(_, newer)| newer).collect();
    let older: Vec<Json> = pairs.iter().map(|(older, _)| older.clone()).collect();
    let distance = |now: &[Json]| now.iter().zip(&newer).map(|(now, newer)| now.distance(newer)).sum::<usize>();
    let (mut lines, mut now): (Vec<Line>, _) = (Vec::new(), older.clone());
    while distance(&now) > 0 && lines.len() < OPS_MAX {
        let scopes = Scope::all(now.iter().zip(newer.iter().copied()));
        let before = distance(&now);
        let better = candidates(&scopes, evidence).find_map(|line| {
            let after = lines::run(std::slice::from_ref(&line), side, &now)?;
            if distance(&after) >= before {
                return None;
            }
            // Ops that are sound alone may contradict each other in one list.
            lines.push(outspoken(line, side, &now, &after));
            let fits = lines::run(&lines, side, &older).is_some();
            let line = lines.pop().filter(|_| fits)?;
            Some((line, after))
        });
        let Some((line, after)) = better else { break };
        lines.push(line);
        now = after;
    }
    let scopes = Scope::all(now.iter().zip(newer.iter().copied()));
    lines.extend(scopes.iter().flat_map(members::optional));
    Proposal { lines, missing: missing(&scopes) }
}

/// A line that says so where it writes over a member that is there: `check` wants to know that it is meant.
fn outspoken(line: Line, side: Side, before: &[Json], after: &[Json]) -> Line {
    let with = |conflict| Line { conflict: Some(conflict), ..line.clone() };
    let meets_none = lines::run(&[with("error")], side, before).is_some();
    let same = || {
        lines::run(&[with("replace")], side, before).is_some_and(|made| made.iter().zip(after).all(|(a, b)| a.same(b)))
    };
    if !meets_none && same() { with("replace") } else { line }
}

/// Ops worth trying, the surest first: strings that others are parts of, places, forms, then what only one version has.
fn candidates<'s>(scopes: &'s [Scope<'_>], evidence: Evidence) -> impl Iterator<Item = Line> + 's {
    // What stands for values proves nothing about their text.
    let texts = scopes.iter().filter(move |_| evidence == Evidence::Values).flat_map(pieces::propose);
    let places = scopes.iter().flat_map(move |scope| relocate::propose(scope, evidence));
    let forms =
        scopes.iter().flat_map(|scope| scope.places.iter().flat_map(move |place| values::propose(scope, place)));
    texts.chain(places).chain(forms).chain(scopes.iter().flat_map(members::propose))
}

/// The places that still differ.
fn missing(scopes: &[Scope<'_>]) -> Vec<String> {
    let mut missing = Vec::new();
    for scope in scopes {
        for place in &scope.places {
            let containers = |(old, new): (&Json, &Json)| match (old, new) {
                (Json::Array(old), Json::Array(new)) => old.len() == new.len(),
                _ => old.kind() == Kind::Object && new.kind() == Kind::Object,
            };
            let above = scope.place(place.parent()).filter(|_| !place.path.is_empty());
            let parent_is_there = above.is_none_or(|parent| parent.both().next().is_some());
            let lone = place.both().next().is_none() && parent_is_there;
            let uneven = place.old.iter().zip(&place.new).enumerate().any(|(index, (old, new))| {
                let parent = above.is_some_and(|parent| parent.old[index].is_some() && parent.new[index].is_some());
                parent && old.is_some() != new.is_some()
            });
            if lone || uneven || place.both().any(|pair| !pair.0.same(pair.1) && !containers(pair)) {
                missing.push(scope.pointer(&place.path));
            }
        }
    }
    missing
}

impl Proposal {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.missing.is_empty()
    }

    /// What a person should look at, in the order of the ops.
    pub fn doubts(&self) -> Vec<String> {
        let doubts =
            self.lines.iter().flat_map(|line| line.unsure.iter().map(move |doubt| format!("{}: {doubt}", line.op)));
        doubts.collect()
    }

    /// The ops as YAML, one each.
    pub fn ops(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.op.clone()).collect()
    }

    /// A change file.
    pub fn write(&self, head: &Head) -> String {
        let lossy = self.lines.iter().any(|line| line.lossy.is_some());
        let top = top(head, self.is_empty(), lossy, &self.missing);
        lines::change(&top, &head.operation, head.side, &self.lines)
    }
}

/// Everything before `operations`.
fn top(head: &Head, same: bool, lossy: bool, missing: &[String]) -> String {
    let mut top =
        String::from("# Proposed by `vergate infer`. Read it, correct it, and let `vergate check` look at it.\n");
    if same {
        top.push_str("# The examples do not differ.\n");
    }
    if lossy {
        top.push_str("# Where `lossy` says FILL IN, write why the loss is right; the reason goes to the changelog.\n");
    }
    for place in missing {
        let above = place.rsplit_once('/').map(|(above, _)| above);
        let place = if place.is_empty() { "the whole body" } else { place };
        top.push_str(&format!("# not reached: no op explains {}\n", yaml::text(place)));
        // A comment cannot be run: programs are for people to write.
        top.push_str(&format!(
            "#   if it can be computed: - jq: {{at: {}, up: \"…\", down: \"…\", examples: [\"…\"]}}\n",
            yaml::text(above.unwrap_or_default())
        ));
    }
    top.push_str(&format!("change: {}\n", yaml::text(&head.change)));
    for (key, version) in [("from", &head.from), ("to", &head.to)] {
        // Versions look like numbers; they are quoted whatever they look like.
        top.push_str(&format!("{key}: {}\n", serde_json::Value::from(version.as_str())));
    }
    top
}
