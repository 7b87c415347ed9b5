//! The H vectors of ADAPTATION: whole exchanges through a client's and an upstream's version.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_ENCODING};
use regex::Regex;
use serde_yaml::Value;

use super::{
    TransformError,
    coding::{Coding, decode, encode},
    error::Side,
    fixture::Fixture,
    records::{Chosen, Format, Records, Terms},
    request::{self, BodyTreatment},
    response::{self, Treatment},
};
use crate::{
    adaptation::{Mode, OperationPlan, Stash},
    domain::api::BodyRules,
    headers::{VaryNames, X_API_VERSION, merge_vary},
};

#[test]
fn every_exchange_of_the_vectors_comes_out_as_written() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/adaptation.yaml");
    let text = std::fs::read_to_string(file).expect("the vectors are part of the repository");
    let vectors: Vec<Value> = serde_yaml::from_str(&text).expect("a list");
    let ids = |vector: &&Value| vector["id"].as_str().is_some_and(|id| id.starts_with('H'));
    let mut seen = 0;
    for vector in vectors.iter().filter(ids) {
        Exchange::new(vector).run();
        seen += 1;
    }
    assert_eq!(seen, 13);
}

/// The whole of a body that is adapted record by record.
fn recast(
    programs: Chosen<&OperationPlan>,
    side: Side,
    format: Format,
    coding: Option<Coding>,
    mode: Mode,
    body: Bytes,
) -> Result<Bytes, TransformError> {
    let terms = Terms { side, format, coding, charset: None, mode, record_bytes_max: 1 << 20, bytes_max: 1 << 20 };
    Records::whole(terms, programs, Stash::default(), body)
}

fn decoded(coding: Option<Coding>, body: Bytes) -> Bytes {
    match coding {
        None => body,
        Some(coding) => decode(coding, body, 1 << 20).expect("a sound coding"),
    }
}

struct Message {
    headers: HeaderMap,
    body: Bytes,
}

struct Exchange<'v> {
    id: &'v str,
    vector: &'v Value,
    fixture: Fixture,
    method: Method,
}

impl<'v> Exchange<'v> {
    fn new(vector: &'v Value) -> Self {
        Self {
            id: vector["id"].as_str().expect("an id"),
            vector,
            fixture: Fixture::from_value(&vector["op"]),
            method: vector["req"]["m"].as_str().and_then(|method| method.parse().ok()).expect("a method"),
        }
    }

    fn run(&self) {
        let mut stash = Stash::default();
        let forwarded = match self.request(self.message("req"), &mut stash) {
            Ok(forwarded) => forwarded,
            Err(error) => {
                assert!(self.vector["up"].is_null(), "{}: refused: {error:?}", self.id);
                self.expect_status(error.code().status());
                return;
            }
        };
        assert!(self.vector.get("up").is_none_or(|up| !up.is_null()), "{}: the upstream was called", self.id);
        self.expect("up", &forwarded);
        if self.vector["res"].is_null() {
            return;
        }
        let status = self.vector["res"]["s"].as_u64().and_then(|s| StatusCode::from_u16(s.try_into().ok()?).ok());
        let status = status.expect("a status");
        match self.response(status, self.message("res"), &mut stash) {
            Ok(answer) => {
                self.expect_status(self.fixture.operation().status(status).unwrap_or(status));
                self.expect("out", &answer);
            }
            Err(error) => self.expect_status(error.code().status()),
        }
    }

    fn request(&self, Message { mut headers, body }: Message, stash: &mut Stash) -> Result<Message, TransformError> {
        let op = self.fixture.operation();
        request::head(op, &self.method, &mut headers);
        let limit = self.vector["limit"].as_u64().unwrap_or(u64::MAX);
        let body = match request::body_treatment(op, BodyRules::default(), &self.method, &headers, body.is_empty())? {
            BodyTreatment::Pass => body,
            BodyTreatment::Records(format, coding, _) => {
                let mode = request::records(&self.method, &mut headers);
                recast(Chosen::Request(op), Side::Request, format, coding, mode, body)?
            }
            BodyTreatment::Adapt(_) if body.len() as u64 > limit => {
                return Err(TransformError::too_large(Side::Request));
            }
            BodyTreatment::Adapt(coding) => {
                let body = decoded(coding, body);
                request::body(op, &self.method, &mut headers, &body, stash)?.map_or(body, |adapted| adapted.body)
            }
        };
        Ok(Message { headers, body })
    }

    fn response(
        &self,
        status: StatusCode,
        Message { mut headers, body }: Message,
        stash: &mut Stash,
    ) -> Result<Message, TransformError> {
        let op = self.fixture.operation();
        let body = match response::treatment(op, BodyRules::default(), &self.method, status, &mut headers)? {
            Treatment::Pass => body,
            Treatment::HeadOnly => Bytes::new(),
            Treatment::Records(format, coding, _) => {
                recast(Chosen::Response(op, status.as_u16()), Side::Response, format, coding, Mode::Whole, body)?
            }
            Treatment::Adapt(program, coding) => {
                let body = decoded(coding, body);
                response::body(program, &mut headers, &body, stash)?.map_or(body, |adapted| adapted.body)
            }
        };
        merge_vary(&mut headers, &VaryNames::new([X_API_VERSION]));
        Ok(Message { headers, body })
    }

    fn message(&self, part: &str) -> Message {
        let part = &self.vector[part];
        let fields = part["h"].as_mapping().into_iter().flatten();
        let coding = part["gz"].as_str().map(|_| (CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        let headers = fields.map(|(name, value)| {
            let fingerprint = format!("{:08x}", self.fixture.operation().fingerprint());
            let value = scalar(value).replace("deadbeef", &fingerprint);
            (
                HeaderName::from_bytes(scalar(name).as_bytes()).expect("a name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            )
        });
        let body = match part["gz"].as_str() {
            Some(text) => encode(Coding::Gzip, text.as_bytes()).expect("memory does not fail").into(),
            None => Bytes::from(part["b"].as_str().unwrap_or_default().to_owned()),
        };
        Message { headers: headers.chain(coding).collect(), body }
    }

    fn expect_status(&self, status: StatusCode) {
        assert_eq!(self.vector["out"]["s"].as_u64(), Some(status.as_u16().into()), "{}", self.id);
    }

    fn expect(&self, part: &str, message: &Message) {
        let (id, part) = (self.id, &self.vector[part]);
        for body in [part.get("b"), part.get("raw")].into_iter().flatten() {
            assert_eq!(message.body, body.as_str().unwrap_or_default(), "{id}");
        }
        for (name, expected) in part["h"].as_mapping().into_iter().flatten() {
            let name = scalar(name);
            let lines: Vec<_> =
                message.headers.get_all(&name).iter().map(|line| line.to_str().expect("text")).collect();
            let value = (!lines.is_empty()).then(|| lines.join(", "));
            match expected {
                Value::Null => assert_eq!(value, None, "{id}: {name}"),
                expected => {
                    let (expected, value) = (scalar(expected), value.unwrap_or_else(|| panic!("{id}: no {name}")));
                    match expected.strip_prefix("re:") {
                        Some(pattern) => {
                            let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
                            assert!(pattern.is_match(&value), "{id}: {name}: {value}");
                        }
                        None => assert_eq!(value, expected, "{id}: {name}"),
                    }
                }
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("not a scalar: {other:?}"),
    }
}
