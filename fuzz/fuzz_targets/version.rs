//! Up to three lines, each read as a declared and as a requested version.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use vergate::domain::version::{ApiVersion, RequestedVersion, VERSION_BYTES_MAX, VersionError};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let texts: Vec<&str> = text.split('\n').take(3).collect();
    texts.iter().for_each(|text| a_text_is_read_one_way(text));
    let versions: Vec<ApiVersion> = texts.iter().filter_map(|text| ApiVersion::parse(text).ok()).collect();
    for a in &versions {
        for b in &versions {
            two_versions_compare_one_way(a, b);
            for c in &versions {
                assert!(!(a <= b && b <= c) || a <= c, "{a} <= {b} <= {c}");
            }
        }
    }
});

fn a_text_is_read_one_way(text: &str) {
    let declared = ApiVersion::parse(text);
    match &declared {
        Ok(version) => {
            assert_eq!(version.as_str(), text);
            assert_eq!(version.to_string(), text);
            numbers_are_those_written(version);
        }
        Err(VersionError::TooLarge) => assert!(text.bytes().filter(u8::is_ascii_digit).count() >= 20, "{text:?}"),
        Err(VersionError::Malformed) => {}
    }
    let fits = declared != Err(VersionError::Malformed);
    assert!(!fits || (1..=VERSION_BYTES_MAX).contains(&text.len()), "{text:?}");
    // A `v` and spaces belong to requests alone.
    assert!(!fits || text.starts_with(|first: char| first.is_ascii_digit()), "{text:?}");

    let bare = text.trim_matches([' ', '\t']);
    let number = bare.strip_prefix(['v', 'V']).unwrap_or(bare);
    let number_fits = bare.len() <= VERSION_BYTES_MAX && ApiVersion::parse(number) != Err(VersionError::Malformed);
    let requested = RequestedVersion::read(text);
    assert_eq!(requested.is_some(), number_fits, "{text:?}");
    let Some(requested) = requested else { return };
    assert_eq!(requested.text().as_str(), bare);
    for spelling in [number.to_owned(), format!("v{number}"), format!(" V{number}\t")] {
        if let Some(other) = RequestedVersion::read(&spelling) {
            assert!(other.spells_the_same(&requested) && requested.spells_the_same(&other), "{text:?} {spelling:?}");
        }
    }
    match ApiVersion::parse(number) {
        Ok(version) => {
            assert!(requested.equals(&version, false) && requested.equals(&version, true), "{text:?}");
            assert!(!requested.is_prefix_of(&version), "{text:?}");
        }
        Err(error) => assert_eq!(error, VersionError::TooLarge),
    }
}

fn numbers_are_those_written(version: &ApiVersion) {
    let (numbers, written) = (version.numbers(), usize::from(version.written()));
    let text = version.as_str();
    assert!((1..=3).contains(&written) && numbers[written..].iter().all(|number| *number == 0), "{text}");
    if version.is_date() {
        let [year, month, day] = numbers;
        assert_eq!(format!("{year:04}-{month:02}-{day:02}"), text);
        assert!(!version.is_pre_release(), "{text}");
        return;
    }
    let release = numbers[..written].iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    let rest = text.strip_prefix(&release).unwrap_or_else(|| panic!("{text} begins with {release}"));
    assert_eq!(version.is_pre_release(), rest.len() > 1 && rest.starts_with('-'), "{text}");
    assert!(version.is_pre_release() || rest.is_empty(), "{text}");
    if let (false, Ok(before)) = (version.is_pre_release(), ApiVersion::parse(&format!("{text}-0"))) {
        assert!(before < *version, "{before} comes before {version}");
    }
}

fn two_versions_compare_one_way(a: &ApiVersion, b: &ApiVersion) {
    assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} {b}");
    assert_eq!(a.partial_cmp(b), Some(a.cmp(b)), "{a} {b}");
    assert_eq!(a == b, a.cmp(b) == Ordering::Equal, "{a} {b}");
    let (Some(asked), Some(other)) = (RequestedVersion::read(a.as_str()), RequestedVersion::read(b.as_str())) else {
        panic!("{a} and {b} are declared, so they may be asked for");
    };
    assert_eq!(asked.spells_the_same(&other), a == b, "{a} {b}");
    assert_eq!(asked.equals(b, false), a == b && a.written() >= b.written(), "{a} {b}");
    assert!(!asked.equals(b, false) || asked.equals(b, true), "{a} {b}");
    if asked.is_prefix_of(b) {
        assert!(!asked.equals(b, true) && a <= b && !b.is_pre_release() && a.written() < b.written(), "{a} {b}");
    }
}
