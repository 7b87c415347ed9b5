//! Small services that speak the versions of the example: they stand in for a real team's backends.
//!
//! They are strict, as real ones are: Query Parser 1.5 refuses a request without `context`, so an old
//! client's call only works because the gateway adapts it.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    thread,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::telemetry::say;

/// The sample backends, one port each.
#[derive(Clone, Debug)]
pub(super) struct Backends {
    addresses: [(&'static str, SocketAddr); 4],
}

/// A backend's whole logic: method, path and JSON body in, status and JSON body out.
type Service = fn(&Method, &str, &Value) -> Reply;

/// Status and JSON text.
type Reply = (StatusCode, String);

/// The variables of the example configuration, and what stands behind each.
const SERVICES: [(&str, Service); 4] = [
    ("QUERY_PARSER_1_5", query_parser_1_5),
    ("QUERY_PARSER_2_0", query_parser_2_0),
    ("ML_ENGINE", ml_engine),
    ("DB_CONNECTOR", db_connector),
];

impl Backends {
    /// Starts all of them on free ports of the loopback address.
    pub(super) fn start() -> io::Result<Self> {
        let mut addresses = [("", SocketAddr::from(([127, 0, 0, 1], 0))); 4];
        for (place, (name, service)) in addresses.iter_mut().zip(SERVICES) {
            let listener = StdListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            *place = (name, listener.local_addr()?);
            thread::Builder::new().name(format!("backend-{name}")).spawn(move || serve(listener, service))?;
        }
        Ok(Self { addresses })
    }

    /// The URL of the backend that stands for the variable `name`.
    pub(super) fn url(&self, name: &str) -> Option<String> {
        self.addresses.iter().find(|(known, _)| *known == name).map(|(_, address)| format!("http://{address}"))
    }
}

fn serve(listener: StdListener, service: Service) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime.inspect_err(|error| say(format_args!("sample backend cannot start: {error}"))) else {
        return;
    };
    runtime.block_on(async move {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(request, service)));
            tokio::spawn(connection);
        }
    });
}

async fn answer(request: Request<Incoming>, service: Service) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let (status, body) = service(&parts.method, parts.uri.path(), &body);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn query_parser_1_5(method: &Method, path: &str, body: &Value) -> Reply {
    let parsed = |item: &Value| {
        let text = item.get("query")?.as_str()?;
        item.get("context")?.as_object()?;
        let table = table(text);
        let (sql, table) = (Value::from(sql(table)), Value::from(table));
        Some(format!(r#"{{"sql":{sql},"confidence":0.92,"intent":"SELECT","entities":[{table}]}}"#))
    };
    match (method, path) {
        (&Method::POST, "/parse") => one(parsed(body), "query and context are required"),
        (&Method::POST, "/parse/batch") => batch(body, parsed, "every item needs query and context"),
        _ => missing(path),
    }
}

fn query_parser_2_0(method: &Method, path: &str, body: &Value) -> Reply {
    let parsed = |item: &Value| {
        let input = item.get("input")?;
        let text = input.get("text").or_else(|| input.get("voice"))?.as_str()?;
        let table = table(text);
        let (sql, count) = (Value::from(sql(table)), Value::from(format!("SELECT count(*) FROM {table}")));
        let query = format!(r#"{{"sql":{sql},"confidence":0.97,"alternatives":[{count}]}}"#);
        Some(format!(r#"{{"query":{query},"metadata":{{"processing_time":12.5,"model_version":"qp-2"}}}}"#))
    };
    match (method, path) {
        (&Method::POST, "/parse" | "/parse/voice") => one(parsed(body), "input.text or input.voice is required"),
        (&Method::POST, "/parse/batch") => batch(body, parsed, "every item needs input.text or input.voice"),
        _ => missing(path),
    }
}

fn ml_engine(method: &Method, path: &str, _: &Value) -> Reply {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        (&Method::POST, ["train"] | ["train", "hyperparameter-search"]) => {
            (StatusCode::ACCEPTED, json!({"training": "t-1", "status": "queued"}).to_string())
        }
        (&Method::GET, ["models", id]) => {
            (StatusCode::OK, json!({"id": id, "framework": "sample", "status": "ready"}).to_string())
        }
        (&Method::GET, ["models", id, "metrics"]) => {
            (StatusCode::OK, json!({"id": id, "accuracy": 0.93, "loss": 0.21}).to_string())
        }
        _ => missing(path),
    }
}

fn db_connector(method: &Method, path: &str, body: &Value) -> Reply {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        (&Method::POST, ["execute"]) => {
            (StatusCode::OK, json!({"sql": body.get("sql"), "rows": [[1, "Ada"], [2, "Grace"]]}).to_string())
        }
        (&Method::POST, ["execute", "batch"]) => (StatusCode::OK, json!({"results": []}).to_string()),
        (&Method::GET, ["schema", database]) => {
            (StatusCode::OK, json!({"database": database, "tables": ["customers", "orders"]}).to_string())
        }
        _ => missing(path),
    }
}

fn one(parsed: Option<String>, complaint: &str) -> Reply {
    match parsed {
        Some(answer) => (StatusCode::OK, answer),
        None => (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": complaint}).to_string()),
    }
}

fn batch(body: &Value, parsed: impl Fn(&Value) -> Option<String>, complaint: &str) -> Reply {
    let items = body.get("items").and_then(Value::as_array);
    let results: Option<Vec<String>> = items.and_then(|items| items.iter().map(parsed).collect());
    one(results.map(|results| format!(r#"{{"results":[{}]}}"#, results.join(","))), complaint)
}

fn missing(path: &str) -> Reply {
    (StatusCode::NOT_FOUND, json!({"error": format!("nothing at {path}")}).to_string())
}

/// The last word of a question is what it is about.
fn table(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).rfind(|word| !word.is_empty()).unwrap_or("things")
}

fn sql(table: &str) -> String {
    format!("SELECT * FROM {table} LIMIT 10")
}
