//! Bounds of numbers and strings: which of one schema's the other one does not keep.

use super::{
    language,
    mismatch::Misfit,
    schema::{Numbers, Strings, is_integer},
};

/// What of the target's numbers the source does not keep to.
pub(super) fn numbers(source: &Numbers, target: &Numbers, found: &mut Vec<Misfit>) {
    if let Some(only) = &source.only {
        let outside = only.iter().filter(|number| !target.admits(number));
        let outside: Vec<String> = outside.map(ToString::to_string).collect();
        if outside.is_empty() {
            return;
        }
        if target.integer && !only.iter().all(is_integer) {
            found.push(Misfit::Kind { found: "number", permitted: vec!["integer"] });
        } else {
            found.push(Misfit::Unlisted(outside));
        }
        return;
    }
    if target.integer && !source.integer {
        found.push(Misfit::Kind { found: "number", permitted: vec!["integer"] });
    }
    if let Some(only) = &target.only {
        found.push(Misfit::Unbounded(only.iter().map(ToString::to_string).collect()));
        return;
    }
    if let Some(min) = target.min {
        let kept = source
            .min
            .is_some_and(|own| own.value > min.value || (own.value == min.value && (own.exclusive || !min.exclusive)));
        if !kept {
            let word = if min.exclusive { "exclusiveMinimum" } else { "minimum" };
            found.push(Misfit::Bound(format!("{word} {}", min.value)));
        }
    }
    if let Some(max) = target.max {
        let kept = source
            .max
            .is_some_and(|own| own.value < max.value || (own.value == max.value && (own.exclusive || !max.exclusive)));
        if !kept {
            let word = if max.exclusive { "exclusiveMaximum" } else { "maximum" };
            found.push(Misfit::Bound(format!("{word} {}", max.value)));
        }
    }
    if let Some(step) = target.multiple_of {
        let own = source.multiple_of.or(source.integer.then_some(1.0));
        if !own.is_some_and(|own| (own / step).fract() == 0.0) {
            found.push(Misfit::Bound(format!("multipleOf {step}")));
        }
    }
}

/// What of the target's strings the source does not keep to.
pub(super) fn strings(source: &Strings, target: &Strings, found: &mut Vec<Misfit>) {
    let quoted = |texts: &[String]| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>();
    match (&source.only, &target.only) {
        (Some(own), Some(listed)) => {
            let outside: Vec<String> = own.iter().filter(|text| !listed.contains(text)).cloned().collect();
            if !outside.is_empty() {
                found.push(Misfit::Unlisted(quoted(&outside)));
            }
        }
        (None, Some(listed)) => found.push(Misfit::Unbounded(quoted(listed))),
        (own, None) => {
            let lengths = own.iter().flatten().map(|text| text.chars().count() as u64);
            let shortest = lengths.clone().min().unwrap_or(source.min_length);
            let longest = lengths.max().or(source.max_length);
            if shortest < target.min_length {
                found.push(Misfit::Bound(format!("minLength {}", target.min_length)));
            }
            if let Some(max) = target.max_length.filter(|max| longest.is_none_or(|own| own > *max)) {
                found.push(Misfit::Bound(format!("maxLength {max}")));
            }
        }
    }
    let is_kept = |pattern: &&String| source.patterns.iter().any(|own| language::is_within(own, pattern));
    for pattern in target.patterns.iter().filter(|pattern| !is_kept(pattern)) {
        let matched = source.only.as_ref().is_some_and(|texts| {
            regex::Regex::new(pattern).is_ok_and(|expression| texts.iter().all(|text| expression.is_match(text)))
        });
        if !matched {
            found.push(Misfit::Bound(format!("pattern {pattern}")));
        }
    }
}
