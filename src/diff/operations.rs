//! Documents operation by operation: which there are, what they take and give beside schemas.

use super::{Difference, Healing, Part, Weight, bodies, parameters, security};
use crate::{
    adaptation::change::StatusKey,
    config::finding::Place,
    contract::{Content, Operation, Response, directory::Directory, subtype::Side},
    domain::endpoint::Endpoint,
};

/// Everything that differs, in the order of the older document; what only the newer one has comes last.
///
/// - `renamed`: an endpoint of the older document in the newer one's terms.
pub fn compare(old: &Directory<'_>, new: &Directory<'_>, renamed: &dyn Fn(&Endpoint) -> Endpoint) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut met: Vec<*const Operation> = Vec::new();
    for (operation, written) in old.iter() {
        let wanted: Vec<Endpoint> = written.iter().map(renamed).collect();
        match wanted.iter().find_map(|endpoint| new.find(endpoint)) {
            Some(now) => {
                met.push(now);
                pair(operation, now, &mut differences);
            }
            None => {
                let (code, what) = if wanted.iter().any(|endpoint| new.has_path(endpoint)) {
                    ("method-removed", "the method is gone from this path")
                } else {
                    ("path-removed", "the path is gone")
                };
                // Who was told that it would go has had time.
                let weight = if operation.deprecated { Weight::Risky } else { Weight::Breaking };
                differences.push(Difference {
                    old: Some(operation.place.clone()),
                    ..difference(code, weight, operation, Part::Endpoint, what.to_owned())
                });
            }
        }
    }
    let added = |operation: &&Operation| !met.contains(&std::ptr::from_ref(*operation));
    for operation in new.document.operations.iter().filter(added) {
        let message = "the endpoint is new".to_owned();
        differences.push(Difference {
            new: Some(operation.place.clone()),
            ..difference("endpoint-added", Weight::Harmless, operation, Part::Endpoint, message)
        });
    }
    differences
}

pub(super) fn difference(
    code: &'static str,
    weight: Weight,
    operation: &Operation,
    part: Part,
    message: String,
) -> Difference {
    Difference {
        code,
        weight,
        operation: operation.endpoint.to_string(),
        part,
        pointer: None,
        old: None,
        new: None,
        message,
        healing: Healing::Unknown,
    }
}

fn pair(old: &Operation, new: &Operation, differences: &mut Vec<Difference>) {
    if new.deprecated && !old.deprecated {
        differences.push(Difference {
            new: Some(new.place.clone()),
            ..difference(
                "endpoint-deprecated",
                Weight::Harmless,
                old,
                Part::Endpoint,
                "deprecated from here on".to_owned(),
            )
        });
    }
    security::compare(old, new, differences);
    parameters::compare(old, new, differences);
    request(old, new, differences);
    responses(old, new, differences);
}

fn request(old: &Operation, new: &Operation, differences: &mut Vec<Difference>) {
    let mut found = |code, weight, message: &str, places: [Option<&Place>; 2]| {
        differences.push(Difference {
            old: places[0].cloned(),
            new: places[1].cloned(),
            ..difference(code, weight, old, Part::Request, message.to_owned())
        });
    };
    match (&old.request, &new.request) {
        (None, None) => return,
        (Some(was), None) => {
            let message = "requests have no body any more; what is sent is ignored";
            return found("request-body-removed", Weight::Risky, message, [Some(&was.place), Some(&new.place)]);
        }
        (None, Some(is)) if is.required => {
            let message = "requests need a body now";
            return found("new-required-request-body", Weight::Breaking, message, [Some(&old.place), Some(&is.place)]);
        }
        (None, Some(is)) => {
            let message = "requests may have a body now";
            return found("new-optional-request-body", Weight::Harmless, message, [Some(&old.place), Some(&is.place)]);
        }
        (Some(was), Some(is)) => {
            let places = [Some(&was.place), Some(&is.place)];
            if is.required && !was.required {
                found("request-body-became-required", Weight::Breaking, "the body is required now", places);
            }
            for name in gone(was, is) {
                let message = format!("{name} is not accepted any more");
                found("request-media-type-removed", Weight::Breaking, &message, places);
            }
        }
    }
    let schemas = old.request.as_ref().and_then(Content::json).zip(new.request.as_ref().and_then(Content::json));
    if let Some((was, is)) = schemas {
        bodies::compare(old, Part::Request, Side::Request, was, is, differences);
    }
}

fn responses(old: &Operation, new: &Operation, differences: &mut Vec<Difference>) {
    for was in &old.responses {
        match same_status(was.status, &new.responses) {
            Some(is) => response(old, was, is, differences),
            None => {
                let (weight, code) = if is_success(was.status) {
                    (Weight::Breaking, "response-success-status-removed")
                } else {
                    (Weight::Harmless, "response-error-status-removed")
                };
                differences.push(Difference {
                    old: Some(was.content.place.clone()),
                    new: Some(new.place.clone()),
                    ..difference(code, weight, old, Part::Response(was.status), "this status is gone".to_owned())
                });
            }
        }
    }
    for is in new.responses.iter().filter(|is| same_status(is.status, &old.responses).is_none()) {
        let (weight, code) = if is_success(is.status) {
            (Weight::Risky, "response-success-status-added")
        } else {
            (Weight::Harmless, "response-error-status-added")
        };
        differences.push(Difference {
            old: Some(old.place.clone()),
            new: Some(is.content.place.clone()),
            ..difference(code, weight, old, Part::Response(is.status), "this status is new".to_owned())
        });
    }
}

fn response(operation: &Operation, was: &Response, is: &Response, differences: &mut Vec<Difference>) {
    let part = Part::Response(was.status);
    let places = |difference: Difference| Difference {
        old: Some(was.content.place.clone()),
        new: Some(is.content.place.clone()),
        ..difference
    };
    for name in gone(&was.content, &is.content) {
        let message = format!("{name} is not sent any more");
        let code = "response-media-type-removed";
        differences.push(places(difference(code, Weight::Breaking, operation, part, message)));
    }
    for header in &was.headers {
        let now = is.headers.iter().find(|now| now.name == header.name);
        let (code, weight, message) = match now {
            None if header.required => ("response-header-removed", Weight::Breaking, "is gone"),
            None => ("response-optional-header-removed", Weight::Risky, "is gone"),
            Some(now) if header.required && !now.required => {
                ("response-header-became-optional", Weight::Breaking, "may be absent now")
            }
            Some(_) => continue,
        };
        differences.push(Difference {
            old: Some(header.place.clone()),
            new: Some(now.map_or(&is.content.place, |now| &now.place).clone()),
            ..difference(code, weight, operation, part, format!("the header {} {message}", header.name))
        });
    }
    if let (Some(was), Some(is)) = (was.content.json(), is.content.json()) {
        bodies::compare(operation, part, Side::Response, was, is, differences);
    }
}

/// The same key; where one document has a class and the other a status of it, these belong together.
fn same_status(status: StatusKey, among: &[Response]) -> Option<&Response> {
    let class = match status {
        StatusKey::Exact(status) => Some(StatusKey::Class(u8::try_from(status / 100).unwrap_or(0))),
        StatusKey::Class(_) | StatusKey::Default => None,
    };
    let find = |key| among.iter().find(|response| response.status == key);
    find(status).or_else(|| find(class?)).or_else(|| if is_success(status) { None } else { find(StatusKey::Default) })
}

fn is_success(status: StatusKey) -> bool {
    matches!(status, StatusKey::Exact(200..=299) | StatusKey::Class(2))
}

/// Media types that only the older one has.
fn gone(was: &Content, is: &Content) -> Vec<String> {
    let names = |content: &Content| content.media_types.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (was, is) = (names(was), names(is));
    let covered = |name: &String| {
        let range = name.split('/').next().map(|kind| format!("{kind}/*")).unwrap_or_default();
        is.iter().any(|other| other == name || other == "*/*" || *other == range)
    };
    was.into_iter().filter(|name| !covered(name)).collect()
}
