//! Everything there is to say about one request.

use std::{collections::BTreeMap, io};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use super::{
    body::{self, BodyAccount, BodyStep, Refused},
    fields::{changed, gone_from, spelled},
    link::Link,
    request::Request,
    steps::{self, StepLine},
};
use crate::{
    adaptation::{Lookup, OperationPlan, Stash},
    domain::{api::Api, time::UtcTime},
    headers,
    pipeline::{
        negotiation::{Chosen, Head, PathCapture, VersionSource},
        policy::{Captured, Policy, Verdict},
        references::{References, without_prefix},
        snapshot::{Snapshot, VersionEntry},
    },
    problem::{Code, Problem},
};

/// How one request would be treated; `--json` prints it as it is.
#[derive(Debug, Default, Serialize)]
pub(super) struct Account {
    pub(super) api: Option<String>,
    pub(super) version: Option<String>,
    pub(super) source: Option<&'static str>,
    pub(super) requested: Option<String>,
    pub(super) steps: Vec<StepLine>,
    /// Of an answer the gateway makes itself; null where the upstream answers.
    pub(super) status: Option<u16>,
    pub(super) code: Option<&'static str>,
    pub(super) phase: Option<&'static str>,
    pub(super) endpoint: Option<String>,
    pub(super) upstream: Option<String>,
    /// As the server sees it, with its base path and the query.
    pub(super) upstream_path: Option<String>,
    pub(super) speaks: Option<String>,
    /// In the order a request passes them.
    pub(super) chain: Vec<Link>,
    /// Fields the upstream sees other than the client sent them.
    pub(super) request_headers: BTreeMap<String, String>,
    /// Fields the gateway adds to the answer, and those of a given answer that it changes.
    pub(super) response_headers: BTreeMap<String, String>,
    /// The body as it is sent on, byte for byte.
    pub(super) body: Option<String>,
    /// With -v: each op and the request's body after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) body_steps: Vec<BodyStep>,
    /// Bodies without a media type, which are explained as JSON: `request`, `response`. The gateway passes such bodies
    /// untouched unless `adaptation.untyped` says otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) assumed_json: Vec<&'static str>,
    /// The status of the upstream's answer as the client gets it, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_status: Option<u16>,
    /// The upstream's answer as the client gets it, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_body: Option<String>,
    /// With -v: each op and the answer's body after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) response_steps: Vec<BodyStep>,
    /// What a refusal says: its detail and its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<serde_json::Map<String, serde_json::Value>>,
    /// For the page only.
    #[serde(skip)]
    pub(super) told: Told,
}

/// What only the page says.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) request: String,
    pub(super) refusal: Option<Problem>,
    pub(super) why: String,
    pub(super) lifecycle: String,
    pub(super) upstream_method: String,
    pub(super) servers: Vec<String>,
    pub(super) served_by: Option<String>,
    pub(super) removed: Vec<String>,
    /// Fields of the answer that do not reach the client.
    pub(super) withheld: Vec<String>,
    /// Request and answer.
    pub(super) bodies: [Option<BodyAccount>; 2],
    /// The place complained of as the op met it, where the caller's version has it elsewhere.
    pub(super) op_pointer: Option<String>,
}

impl Account {
    /// Treats `request` as the data path would at `at`.
    pub(super) fn of(snapshot: &Snapshot, request: &Request, at: UtcTime, verbose: bool) -> Self {
        let mut account = Self::default();
        account.told.request = format!("{} {}", request.method, request.target());
        let assumed = ["request", "response"].into_iter().zip(request.assumed);
        account.assumed_json = assumed.filter_map(|(which, assumed)| assumed.then_some(which)).collect();
        let mut answer = HeaderMap::new();
        if let Err(problem) = account.treat(snapshot, request, at, verbose, &mut answer) {
            account.refuse(problem, &mut answer);
        }
        account.response_headers = spelled(&answer);
        let [request, answer] = &mut account.told.bodies;
        if let Some(body) = request {
            account.body.clone_from(&body.text);
            account.body_steps = std::mem::take(&mut body.steps);
        }
        if let Some(body) = answer {
            account.response_body.clone_from(&body.text);
            account.response_steps = std::mem::take(&mut body.steps);
        }
        account
    }

    pub(super) fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// - `answer`: what the gateway adds to the response.
    fn treat(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        at: UtcTime,
        verbose: bool,
        answer: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let limits = &snapshot.config.limits;
        if request.target().len() > limits.request_target_bytes {
            return Err(Problem::new(Code::TargetTooLong, "the request target is longer than limits.request_target"));
        }
        if matches!(request.method, Method::TRACE | Method::CONNECT) {
            return Err(Problem::new(Code::MethodUnsupported, "the gateway does not serve TRACE and CONNECT"));
        }
        let head = Head {
            method: &request.method,
            host: request.host(),
            path: &request.path,
            query: request.query.as_deref(),
            headers: &request.headers,
        };
        let trace = snapshot.negotiator.trace(&head);
        self.steps = steps::lines(&snapshot.config, &trace.steps);
        let chosen = match trace.outcome {
            Ok(chosen) => chosen,
            Err(refusal) => {
                if let Some(api) = refusal.api {
                    self.name_version(snapshot, api, refusal.version, at);
                    let successor = refusal.version.and_then(|version| {
                        let entry = snapshot.version(api, version);
                        successor_path(entry, request, refusal.path_capture.as_ref())
                    });
                    self.announce(snapshot, api, refusal.version, successor.as_deref(), answer);
                    if refusal.fallback {
                        answer.insert(headers::X_API_VERSION_FALLBACK, headers::TRUE);
                    }
                }
                return Err(refusal.problem(&snapshot.negotiator));
            }
        };
        self.name_version(snapshot, chosen.api, Some(chosen.version), at);
        self.say_why(&snapshot.config.apis[chosen.api], &chosen);
        let endpoints = snapshot.endpoints(chosen.api, chosen.version);
        self.endpoint = Some(chosen.endpoint.map_or("other".to_owned(), |index| endpoints[index].to_string()));
        self.follow_policy(snapshot, request, &chosen, answer, verbose)
    }

    fn name_version(&mut self, snapshot: &Snapshot, api: usize, version: Option<usize>, at: UtcTime) {
        let entry = &snapshot.config.apis[api];
        self.api = Some(entry.name.clone());
        let Some(version) = version else { return };
        let declared = &entry.versions[version];
        let standing = snapshot.version(api, version).policy.standing;
        self.version = Some(declared.name.to_string());
        self.phase = standing.phase.map(|phase| phase.as_str());
        let date = |verb: &str, date: Option<UtcTime>| {
            date.map(|date| format!("{verb}{} {}", if date <= at { "" } else { " on" }, date.date()))
        };
        let words = [
            Some(standing.status.as_str().to_owned()),
            self.phase.filter(|phase| *phase != standing.status.as_str()).map(|phase| format!("{phase} phase")),
            date("deprecated since", declared.lifecycle.deprecation().filter(|date| *date <= at)),
            date("deprecated", declared.lifecycle.deprecation().filter(|date| *date > at)),
            date("gone since", declared.lifecycle.sunset().filter(|date| *date <= at)),
            date("gone", declared.lifecycle.sunset().filter(|date| *date > at)),
        ];
        self.told.lifecycle = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
    }

    fn say_why(&mut self, api: &Api, chosen: &Chosen<'_>) {
        self.source = Some(chosen.source.as_str());
        self.requested = chosen.requested.map(|text| text.to_string());
        let place = match chosen.source {
            VersionSource::Header => "the header",
            VersionSource::Path => "the path",
            VersionSource::Query => "the query",
            VersionSource::Accept => "Accept",
            VersionSource::Default => "",
        };
        let name = api.versions[chosen.version].name.as_str();
        self.told.why = match self.requested.as_deref() {
            None => "by default".to_owned(),
            Some(text) if chosen.fallback => format!("by default, as {place} names {text}, which does not exist"),
            Some(text) if text == name => format!("named by {place}"),
            Some(text) => format!("named by {place} as {text}"),
        };
    }

    /// Serves, redirects or refuses, as the version's lifecycle says.
    fn follow_policy(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        chosen: &Chosen<'_>,
        answer: &mut HeaderMap,
        verbose: bool,
    ) -> Result<(), Problem> {
        let entry = snapshot.version(chosen.api, chosen.version);
        let successor_path = successor_path(entry, request, chosen.path_capture.as_ref());
        self.announce(snapshot, chosen.api, Some(chosen.version), successor_path.as_deref(), answer);
        if chosen.fallback {
            answer.insert(headers::X_API_VERSION_FALLBACK, headers::TRUE);
        }
        let mut served = chosen.version;
        match entry.policy.verdict {
            Verdict::Serve => {}
            Verdict::Restricted | Verdict::Gone => return Err(gone(&entry.policy)),
            Verdict::FallForward { successor } => {
                served = successor;
                self.told.served_by = Some(snapshot.config.apis[chosen.api].versions[served].name.to_string());
                answer.insert(headers::X_API_VERSION_USED, snapshot.version(chosen.api, served).used.clone());
                answer.insert(headers::X_API_VERSION_FALLBACK, headers::TRUE);
                let listed = &snapshot.negotiator;
                let listed = listed.endpoint(chosen.api, served, &request.method, &chosen.unversioned_path);
                listed.map_err(|error| Problem::new(error.code(), error.to_string()))?;
            }
            Verdict::Redirect => {
                let capture = chosen.path_capture.as_ref().filter(|_| chosen.named_by_path_alone).map(captured);
                let (query, moved) = (request.query.as_deref(), moved(entry, request));
                let place = capture.and_then(|at| entry.policy.location(&request.path, query, &at, &moved));
                let place = place.ok_or_else(|| gone(&entry.policy))?;
                let mut brief = HeaderMap::new();
                entry.policy.announcement.apply_brief(&mut brief, successor_path.as_deref());
                brief.insert(header::LOCATION, place);
                brief.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                brief.insert(headers::X_API_VERSION_USED, entry.used.clone());
                headers::merge_vary(&mut brief, snapshot.negotiator.vary(chosen.api));
                *answer = brief;
                self.status = Some(StatusCode::PERMANENT_REDIRECT.as_u16());
                return Ok(());
            }
        }
        self.forward(snapshot, request, chosen, (served, verbose), answer)
    }

    fn forward(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        chosen: &Chosen<'_>,
        (served, verbose): (usize, bool),
        answer: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let api = &snapshot.config.apis[chosen.api];
        let entry = snapshot.version(chosen.api, served);
        let service = &api.versions[served].service;
        self.speaks = Some(api.versions[service.speaks].name.to_string());
        self.chain = Link::chain(api, served, service, &snapshot.config.changes[chosen.api]);
        let lookup = entry.plan.as_ref().map(|plan| plan.operation(request.method.as_str(), &chosen.unversioned_path));
        let operation = match lookup {
            Some(Lookup::Unknown) => {
                let detail = "the version asked for does not have this endpoint; it came with a newer one";
                return Err(Problem::new(Code::EndpointUnknown, detail));
            }
            Some(Lookup::Operation(operation)) => Some(&**operation),
            Some(Lookup::Untouched) | None => None,
        };
        let asked = self.name_upstream(snapshot, request, chosen, entry, operation);
        let mut forwarded = request.headers.clone();
        forwarded.insert(header::VIA, HeaderValue::from_static("1.1 vergate"));
        snapshot.negotiator.remove_version_fields(chosen.api, &mut forwarded);
        forwarded.insert(snapshot.negotiator.version_header(chosen.api).clone(), entry.speaks.clone());
        let speaks = entry.speaks.to_str().unwrap_or_default();
        snapshot.negotiator.rewrite_accept(chosen.api, served, speaks, &mut forwarded);
        let mut stash = Stash::default();
        let rules = snapshot.config.apis[chosen.api].bodies;
        let body = body::request(request, (operation, rules), &mut forwarded, verbose, &mut stash);
        self.told.bodies[0] = body.map_err(|refused| self.blame(0, *refused))?;
        self.request_headers = spelled(&changed(&request.headers, &forwarded));
        self.told.removed = gone_from(&request.headers, &forwarded);
        if let Some(sent) = &request.answer {
            let mut given = sent.clone();
            if entry.plan.as_ref().is_some_and(|plan| plan.moves_paths()) {
                let host = request.headers.get(header::HOST).cloned();
                let references = References::of(chosen, &request.path, host, &asked);
                references.rewrite(snapshot, (chosen.api, served), &mut given.headers);
            }
            let body = body::response(&mut given, &request.method, (operation, rules), verbose, &mut stash);
            self.told.bodies[1] = Some(body.map_err(|refused| self.blame(1, *refused))?);
            let mapped = operation.and_then(|operation| operation.status(sent.status));
            self.response_status = Some(mapped.unwrap_or(sent.status).as_u16());
            self.told.withheld = gone_from(&sent.headers, &given.headers);
            for (name, value) in &changed(&sent.headers, &given.headers) {
                answer.append(name, value.clone());
            }
        }
        Ok(())
    }

    /// Keeps how far a body got, and says whose fault it is.
    fn blame(&mut self, which: usize, refused: Refused) -> Problem {
        self.told.bodies[which] = Some(refused.body);
        self.told.op_pointer = refused.op_pointer;
        refused.error.problem()
    }

    /// Returns the path the upstream is asked for, without its base path.
    fn name_upstream(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        chosen: &Chosen<'_>,
        entry: &VersionEntry,
        operation: Option<&OperationPlan>,
    ) -> String {
        let upstream = &snapshot.config.upstreams[entry.upstream];
        let api = &snapshot.config.apis[chosen.api];
        let moved = operation.and_then(|operation| operation.target(chosen.sent_path()));
        let (method, path) = match moved {
            None => (None, chosen.path.clone().into_owned()),
            Some((method, path)) => (method, without_prefix(api, &path).to_owned()),
        };
        let query = match (operation, chosen.query.as_deref()) {
            (Some(operation), query) => {
                let edited = operation.query(query.unwrap_or_default());
                // A query that was there stays, even an empty one; one that became empty goes.
                Some(edited.into_owned()).filter(|edited| !edited.is_empty() || query == Some(""))
            }
            (None, query) => query.map(str::to_owned),
        };
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let base = upstream.servers.first().map_or("", |server| &server.base_path);
        self.upstream = Some(upstream.name.clone());
        self.upstream_path = Some(format!("{base}{target}"));
        self.told.upstream_method = method.unwrap_or(&request.method).to_string();
        let servers = upstream.servers.iter();
        self.told.servers = servers
            .map(|server| format!("http://{}:{}{}", bracketed(&server.host), server.port, server.base_path))
            .collect();
        path
    }

    /// What every answer of the version carries.
    fn announce(
        &self,
        snapshot: &Snapshot,
        api: usize,
        version: Option<usize>,
        successor_path: Option<&str>,
        answer: &mut HeaderMap,
    ) {
        headers::merge_vary(answer, snapshot.negotiator.vary(api));
        if let Some(version) = version {
            let entry = snapshot.version(api, version);
            entry.policy.announcement.apply(answer, successor_path);
            answer.insert(headers::X_API_VERSION_USED, entry.used.clone());
        }
    }

    fn refuse(&mut self, problem: Problem, answer: &mut HeaderMap) {
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.status = Some(problem.code.status().as_u16());
        self.code = Some(problem.code.as_str());
        self.steps.push(StepLine { step: "refused".to_owned(), found: problem.detail.clone() });
        let place = self.told.op_pointer.clone().map(|place| ("op_pointer", place.into()));
        let members = problem.extensions.iter().cloned().chain(place);
        let detail = ("detail".to_owned(), problem.detail.clone().into());
        let members = members.map(|(name, value)| (name.to_owned(), value));
        self.problem = Some([detail].into_iter().chain(members).collect());
        self.told.refusal = Some(problem);
    }
}

/// Where the newest stable version has the same resource.
fn successor_path(entry: &VersionEntry, request: &Request, capture: Option<&PathCapture>) -> Option<String> {
    entry.policy.link_target(&request.path, capture.map(captured).as_ref(), &moved(entry, request))
}

fn moved(entry: &VersionEntry, request: &Request) -> impl Fn(&str) -> Option<String> {
    |path| entry.to_successor.as_ref().and_then(|plan| plan.path(request.method.as_str(), path))
}

fn captured(capture: &PathCapture) -> Captured {
    Captured { source: capture.source, range: capture.range.clone() }
}

fn gone(policy: &Policy) -> Problem {
    let refusal = policy.refusal().cloned();
    refusal.unwrap_or_else(|| Problem::new(Code::VersionSunset, "the version is no longer served"))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
