//! The calls that the demo suggests, and what has to come back.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::app::Addresses;

/// One call to try.
pub(super) struct Call {
    /// What it shows.
    pub(super) about: &'static str,
    to: SocketAddr,
    method: &'static str,
    path: &'static str,
    headers: &'static [&'static str],
    body: Option<&'static str>,
    status: u16,
    /// What the answer's head has to hold, and what is worth showing of it.
    shown: &'static [&'static str],
    /// What the answer's body has to hold; for JSON bodies all of it.
    holds: &'static str,
}

/// An answer, taken apart.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) lines: Vec<String>,
    pub(super) body: String,
}

const JSON: &[&str] = &["Content-Type: application/json"];
const PATIENCE: Duration = Duration::from_secs(10);

/// The calls in the order of the story.
pub(super) fn all(addresses: &Addresses) -> Vec<Call> {
    let (data, admin) = (addresses.data[0], addresses.admin);
    let post = |about, path, body, shown, holds| Call {
        about,
        to: data,
        method: "POST",
        path,
        headers: JSON,
        body: Some(body),
        status: 200,
        shown,
        holds,
    };
    vec![
        post(
            "An old client calls v1.0. No v1.0 backend is left: v1.5 answers, adapted both ways.",
            "/v1.0/parse",
            r#"{"query":"top customers"}"#,
            &[
                "deprecation: @1748736000",
                "sunset: Fri, 01 Jun 2035 00:00:00 GMT",
                "link: </docs/migration/v1-to-v2>; rel=\"deprecation\", </docs/migration/v1-to-v2>; rel=\"sunset\", </v1.5/parse>; rel=\"successor-version\"",
                "x-api-version-used: 1.0",
            ],
            r#"{"sql":"SELECT * FROM customers LIMIT 10","confidence":0.92}"#,
        ),
        post(
            "The same call to v1.5, which needs no adaptation.",
            "/v1.5/parse",
            r#"{"query":"top customers","context":{}}"#,
            &["x-api-version-used: 1.5"],
            r#"{"sql":"SELECT * FROM customers LIMIT 10","confidence":0.92,"intent":"SELECT","entities":["customers"]}"#,
        ),
        Call {
            headers: &["Content-Type: application/json", "X-API-Version: 2.0"],
            ..post(
                "A header names the version too. 2.0 is in beta and answers to its exact name.",
                "/parse",
                r#"{"input":{"text":"top customers"}}"#,
                &["x-api-version-used: 2.0"],
                r#"{"query":{"sql":"SELECT * FROM customers LIMIT 10","confidence":0.97,"alternatives":["SELECT count(*) FROM customers"]},"metadata":{"processing_time":12.5,"model_version":"qp-2"}}"#,
            )
        },
        Call {
            about: "A version that does not exist is refused, never guessed.",
            to: data,
            method: "GET",
            path: "/v3/parse",
            headers: &[],
            body: None,
            status: 404,
            shown: &["content-type: application/problem+json"],
            holds: r#""supported_versions":["1.0","1.5","2.0"]"#,
        },
        Call {
            about: "Who still calls what, for Prometheus.",
            to: admin,
            method: "GET",
            path: "/metrics",
            headers: &[],
            body: None,
            status: 200,
            shown: &[],
            holds: "api_requests_by_version_total{",
        },
        Call {
            about: "Switch the service of 1.5 off: its line leaves gateway.yaml, and that is reloaded. 2.0 answers for all.",
            to: admin,
            method: "POST",
            path: "/api/v1/reload",
            headers: &[],
            body: None,
            status: 200,
            shown: &[],
            holds: r#""reloaded":true"#,
        },
        post(
            "The old client calls v1.0 again: two changes, run as one, lead to 2.0 and back.",
            "/v1.0/parse",
            r#"{"query":"top customers"}"#,
            &["x-api-version-used: 1.0"],
            r#"{"sql":"SELECT * FROM customers LIMIT 10","confidence":0.97}"#,
        ),
        post(
            "So does the client of v1.5.",
            "/v1.5/parse",
            r#"{"query":"top customers","context":{}}"#,
            &["x-api-version-used: 1.5"],
            r#"{"sql":"SELECT * FROM customers LIMIT 10","confidence":0.97,"entities":[]}"#,
        ),
    ]
}

impl Call {
    /// The line to type.
    pub(super) fn curl(&self) -> String {
        let url = format!("http://{}{}", self.to, self.path);
        if self.path == "/metrics" {
            return format!("curl -s {url} | grep {}", self.holds.trim_end_matches('{'));
        }
        if self.path == "/api/v1/reload" {
            return format!("curl -s -X POST {url}");
        }
        let headers: String = self.headers.iter().map(|header| format!(" -H '{header}'")).collect();
        let body = self.body.map(|body| format!(" -d '{body}'")).unwrap_or_default();
        format!("curl -i {url}{headers}{body}")
    }

    /// Calls, without any of the gateway's own machinery.
    pub(super) fn send(&self) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = self.body.unwrap_or_default();
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.method, self.path, self.to);
        for header in self.headers {
            head += &format!("{header}\r\n");
        }
        if self.body.is_some() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
        let lines: Vec<String> = head.lines().map(str::to_owned).collect();
        let status = lines.first().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.ok_or_else(broken)?, body: body.to_owned(), lines })
    }

    /// What is wrong with an answer, if anything is.
    pub(super) fn wrong(&self, answer: &Answer) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("status {} instead of {}", answer.status, self.status));
        }
        let head_lacks = self.shown.iter().find(|line| !answer.lines.iter().any(|have| have == *line));
        if let Some(line) = head_lacks {
            return Some(format!("the head lacks \"{line}\""));
        }
        let whole = self.holds.starts_with('{');
        let right = if whole { answer.body == self.holds } else { answer.body.contains(self.holds) };
        (!right).then(|| format!("the body is not {}", self.holds))
    }

    /// The part of an answer that the call is about.
    pub(super) fn excerpt(&self, answer: &Answer) -> String {
        if self.path == "/metrics" {
            let lines = answer.body.lines().filter(|line| line.starts_with(self.holds));
            return lines.collect::<Vec<_>>().join("\n");
        }
        let head =
            answer.lines.iter().take(1).chain(answer.lines.iter().filter(|line| self.shown.contains(&line.as_str())));
        let head: Vec<&str> = head.map(String::as_str).collect();
        format!("{}\n\n{}", head.join("\n"), answer.body)
    }
}
