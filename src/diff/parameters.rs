//! Parameters of one operation.

use super::{Difference, Part, Weight, bodies, operations::difference};
use crate::contract::{Operation, Parameter, document::Location, subtype::Side};

/// Parameters in the path go by their order: their names are between the document and its readers.
pub(super) fn compare(old: &Operation, new: &Operation, differences: &mut Vec<Difference>) {
    let index = |all: &[Parameter], parameter: &Parameter| {
        all.iter().filter(|other| other.location == Location::Path).position(|other| other.name == parameter.name)
    };
    let same = |all: &'_ [Parameter], of: &[Parameter], parameter: &Parameter| -> Option<usize> {
        let at = index(of, parameter).filter(|_| parameter.location == Location::Path);
        all.iter().position(|other| {
            other.location == parameter.location
                && if at.is_some() { index(all, other) == at } else { other.name == parameter.name }
        })
    };
    for was in &old.parameters {
        let Some(is) = same(&new.parameters, &old.parameters, was).map(|at| &new.parameters[at]) else {
            if was.location != Location::Path {
                let message = format!("the {} parameter is gone; what is sent is ignored", was.location.as_str());
                let code = "request-parameter-removed";
                differences.push(Difference {
                    pointer: Some(was.name.clone()),
                    old: Some(was.place.clone()),
                    new: Some(new.place.clone()),
                    ..difference(code, Weight::Risky, old, Part::Parameter, message)
                });
            }
            continue;
        };
        if is.required && !was.required {
            let message = format!("the {} parameter is required now", is.location.as_str());
            let code = "request-parameter-became-required";
            differences.push(named(was, is, difference(code, Weight::Breaking, old, Part::Parameter, message)));
        }
        let before = differences.len();
        bodies::compare(old, Part::Parameter, Side::Request, &was.schema, &is.schema, differences);
        for found in &mut differences[before..] {
            let inner = found.pointer.take().unwrap_or_default();
            found.pointer = Some(format!("{}{inner}", was.name));
        }
    }
    for is in &new.parameters {
        if same(&old.parameters, &new.parameters, is).is_some() || is.location == Location::Path {
            continue;
        }
        let (code, weight, word) = if is.required {
            ("new-required-request-parameter", Weight::Breaking, "new and required")
        } else {
            ("new-optional-request-parameter", Weight::Harmless, "new")
        };
        let message = format!("the {} parameter is {word}", is.location.as_str());
        differences.push(Difference {
            pointer: Some(is.name.clone()),
            old: Some(old.place.clone()),
            new: Some(is.place.clone()),
            ..difference(code, weight, old, Part::Parameter, message)
        });
    }
}

fn named(was: &Parameter, is: &Parameter, difference: Difference) -> Difference {
    Difference {
        pointer: Some(was.name.clone()),
        old: Some(was.place.clone()),
        new: Some(is.place.clone()),
        ..difference
    }
}
