//! What callers have to show: `security` of operations.

use super::{Difference, Part, Weight, operations::difference};
use crate::contract::{Operation, document::Requirement};

/// Compares what the older document asks for with what the newer one does.
pub(super) fn compare(old: &Operation, new: &Operation, differences: &mut Vec<Difference>) {
    let mut found = |code, weight, message: String| {
        differences.push(Difference {
            old: Some(old.place.clone()),
            new: Some(new.place.clone()),
            ..difference(code, weight, old, Part::Endpoint, message)
        });
    };
    let (was, is) = (alternatives(old), alternatives(new));
    for alternative in was.iter().filter(|was| !is.iter().any(|is| is_enough(was, is))) {
        let message = format!("{} does not suffice any more; asked for is {}", shown(alternative), all(&is));
        found("security-requirement-added", Weight::Breaking, message);
    }
    for alternative in is.iter().filter(|is| !was.iter().any(|was| is_enough(is, was))) {
        found("security-requirement-relaxed", Weight::Harmless, format!("{} suffices now", shown(alternative)));
    }
}

/// No list is the alternative that asks for nothing.
fn alternatives(operation: &Operation) -> Vec<Requirement> {
    if operation.security.is_empty() { vec![Requirement::default()] } else { operation.security.clone() }
}

/// Whether who shows `own` has what `asked` asks for.
fn is_enough(own: &Requirement, asked: &Requirement) -> bool {
    let has = |(name, scopes): (&String, &std::collections::BTreeSet<String>)| {
        own.schemes.get(name).is_some_and(|own| scopes.is_subset(own))
    };
    asked.schemes.iter().all(has)
}

fn all(requirements: &[Requirement]) -> String {
    requirements.iter().map(shown).collect::<Vec<_>>().join(" or ")
}

/// `oauth (read, write) and key`, or `nothing`.
fn shown(requirement: &Requirement) -> String {
    if requirement.schemes.is_empty() {
        return "nothing".to_owned();
    }
    let one = |(name, scopes): (&String, &std::collections::BTreeSet<String>)| {
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        if scopes.is_empty() { name.clone() } else { format!("{name} ({})", scopes.join(", ")) }
    };
    requirement.schemes.iter().map(one).collect::<Vec<_>>().join(" and ")
}
