//! What one schema or another permits.

use super::schema::{Branch, Rest, Schema, Values, same_number};

/// What either permits; place and notes are those of `a`.
pub fn schemas(a: Schema, b: &Schema) -> Schema {
    match (&a.values, &b.values) {
        (Values::Ref(one), Values::Ref(other)) if one.is_same(other) => return a,
        (Values::Any, _) => return a,
        (Values::Branches(none), _) if none.is_empty() => return Schema { notes: a.notes, ..b.clone() },
        (_, Values::Branches(none)) if none.is_empty() => return a,
        _ => {}
    }
    let (mut left, right) = (a.opened().into_owned(), b.opened());
    for doubt in &right.doubts {
        if !left.doubts.contains(doubt) {
            left.doubts.push(doubt.clone());
        }
    }
    // What one side says of itself does not hold for the other's values.
    left.doubts.iter_mut().for_each(|doubt| doubt.said = None);
    left.values = match (left.values, &right.values) {
        (Values::Branches(mut branches), Values::Branches(more)) => {
            more.iter().for_each(|branch| add(&mut branches, branch.clone()));
            Values::Branches(branches)
        }
        _ => Values::Any,
    };
    left
}

/// Adds a branch to a union; listed values join those that are listed already.
pub fn add(branches: &mut Vec<Branch>, branch: Branch) {
    for known in branches.iter_mut() {
        match (known, &branch) {
            (Branch::String(known), Branch::String(more)) if known.patterns == more.patterns => {
                if let (Some(listed), Some(new)) = (&mut known.only, &more.only) {
                    listed.extend(new.iter().filter(|text| !listed.contains(text)).cloned().collect::<Vec<_>>());
                    return;
                }
            }
            (Branch::Number(known), Branch::Number(more)) => {
                if let (Some(listed), Some(new)) = (&mut known.only, &more.only) {
                    let unknown = new.iter().filter(|number| !listed.iter().any(|known| same_number(known, number)));
                    let unknown: Vec<_> = unknown.cloned().collect();
                    listed.extend(unknown);
                    known.integer &= more.integer;
                    return;
                }
            }
            (Branch::Boolean(known), Branch::Boolean(more)) => {
                if known.only != more.only {
                    known.only = None;
                }
                return;
            }
            _ => {}
        }
    }
    if !branches.contains(&branch) {
        branches.push(branch);
    }
}

/// What members without a name in `rest` may be, as a schema; none where there are none.
pub fn rest(rest: &Rest, otherwise: &Schema) -> Option<Schema> {
    match rest {
        Rest::Closed => None,
        Rest::Open => Some(Schema::any(&otherwise.place)),
        Rest::Each(schema) => Some((**schema).clone()),
    }
}
