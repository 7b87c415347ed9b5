//! Bytes of a `gateway.yaml`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vergate::{
    config::{Config, Finding, Severity, checked, tree},
    domain::{api::Api, time::UtcTime},
    pipeline::snapshot::Snapshot,
};

/// A folder that does not exist: no file can be meant by a relative path.
const FILE: &str = "/nonexistent/gateway.yaml";

fuzz_target!(|data: &[u8]| {
    let file = Path::new(FILE);
    let text = match tree::decode(data, file) {
        Ok(text) => text,
        Err(finding) => {
            assert!(std::str::from_utf8(data).is_err());
            a_finding_is_one_line_with_a_place(&finding);
            return;
        }
    };
    let now = UtcTime::from_unix(1_800_000_000);
    let read = || checked::read(text, file, &|_| None, now);
    let outcome = read();
    outcome.findings.iter().for_each(a_finding_is_one_line_with_a_place);
    let refused = outcome.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_ne!(outcome.config.is_some(), refused, "refused exactly where a finding says why: {:?}", outcome.findings);
    assert!(outcome.files.iter().any(|read| read == file), "the watcher follows the file itself");

    let again = read();
    assert_eq!(outcome.config.is_some(), again.config.is_some(), "the same text is judged alike");
    assert_eq!(lines(&outcome.findings), lines(&again.findings));
    if let Some(config) = outcome.config {
        a_config_is_consistent(&config);
        let snapshot = Snapshot::compile(config.into(), now);
        assert_eq!(snapshot.apis.len(), snapshot.config.apis.len());
    }
});

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

fn a_finding_is_one_line_with_a_place(finding: &Finding) {
    let line = finding.to_string();
    assert!(line.contains(": error: ") || line.contains(": warning: "), "{line:?}");
    assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
}

fn a_config_is_consistent(config: &Config) {
    assert!(!config.listeners.is_empty() && config.workers >= 1 && !config.apis.is_empty());
    assert_eq!(config.apis.len(), config.changes.len());
    for (api, changes) in config.apis.iter().zip(&config.changes) {
        assert!(!api.versions.is_empty(), "{}", api.name);
        let ascending = api.versions.windows(2).all(|pair| pair[0].name < pair[1].name);
        assert!(ascending, "{}: versions ascend and none is there twice", api.name);
        let dates = api.versions.iter().filter(|version| version.name.is_date()).count();
        assert!(dates == 0 || dates == api.versions.len(), "{}: dates and numbers are not mixed", api.name);
        for index in 0..api.versions.len() {
            a_service_leads_to_an_upstream(config, api, changes, index);
        }
    }
}

fn a_service_leads_to_an_upstream(config: &Config, api: &Api, changes: &[vergate::adaptation::Change], index: usize) {
    let service = &api.versions[index].service;
    let name = |index: usize| &api.versions[index].name;
    assert!(service.upstream < config.upstreams.len());
    assert!(service.through >= index, "only a newer version stands in for {}", name(index));
    let own = &api.versions[service.through].service;
    assert_eq!((own.through, own.upstream, own.speaks), (service.through, service.upstream, service.speaks));
    let upwards = index <= service.speaks;
    let mut at = name(index);
    for change in &service.chain {
        let change = &changes[*change];
        assert!(change.from < change.to, "{} is written old to new", change.name);
        let (from, to) = if upwards { (&change.from, &change.to) } else { (&change.to, &change.from) };
        assert_eq!(from, at, "{} goes on where the chain stands", change.name);
        at = to;
    }
    assert_eq!(at, name(service.speaks), "the chain ends at what the upstream speaks");
}
