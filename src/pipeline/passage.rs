//! Which version answers a request, where, and how its calls are adapted.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, header, request::Parts};

use super::{
    exchange::Exchange,
    negotiation::Chosen,
    references::{References, without_prefix},
    refused::Refused,
    snapshot::Snapshot,
    transform::coding::Accepted,
    upgrade::Upgrade,
    upstream::{group::Group, grpc, patience::Patience},
    worker::Loaded,
};
use crate::{
    adaptation::plan::{Lookup, OperationPlan},
    domain::{api::BodyRules, upstream::Protocol},
    headers::Present,
    problem::Code,
};

/// Which version answers, where, and how its calls are adapted.
pub(super) struct Passage {
    loaded: Rc<Loaded>,
    pub(super) api: usize,
    pub(super) version: usize,
    /// How the operation is adapted, if it is.
    operation: Option<Arc<OperationPlan>>,
    /// Version text the client used in `Accept`.
    pub(super) media_type: Option<Box<str>>,
    pub(super) group: Rc<Group>,
    pub(super) patience: Rc<Patience>,
    /// What the client asks to switch to, for upgrades.
    pub(super) upgrade: Option<Box<Upgrade>>,
    /// Which codings the client takes, where answers are adapted.
    pub(super) accepted: Accepted,
    /// What references in the answer have to be made of, where the changes moved paths.
    pub(super) references: Option<Box<References>>,
    /// Whether it is a gRPC call.
    pub(super) is_call: bool,
}

/// Longer than any exchange.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

impl Passage {
    /// Errors where the client's version does not have the operation.
    pub(super) fn find(exchange: &mut Exchange, chosen: &Chosen<'_>, parts: &Parts) -> Result<Self, Refused> {
        let loaded = Rc::clone(&exchange.loaded);
        let snapshot = &loaded.snapshot;
        let served = exchange.served.unwrap_or(chosen.version);
        let entry = snapshot.version(chosen.api, served);
        let group = Rc::clone(&loaded.groups[entry.upstream]);
        let timeouts = &snapshot.config.timeouts;
        // Over HTTP/1.1 a call could not work, and its media type must not lift limits.
        let speaks_http2 = exchange.is_http2() && group.protocol != Protocol::Http1;
        let call = if speaks_http2 { grpc::Call::read(&parts.headers) } else { None };
        let (times, fair) = match call {
            None => {
                let fair = group.response.min(timeouts.request) / 2;
                ((timeouts.request, group.response, timeouts.response_idle), fair)
            }
            // A call lasts as long as its caller says, a stream may be silent like a tunnel. How long a server may take
            // is not the caller's to say.
            Some(grpc::Call { timeout }) => {
                let (total, response) = (timeout.unwrap_or(FOREVER), timeout.unwrap_or(group.response));
                ((total, response, timeouts.tunnel_idle), group.response)
            }
        };
        let patience = Patience::new(&exchange.worker.deadlines, times, fair);
        let plan = entry.plan.as_ref();
        let operation = match plan.map(|plan| plan.operation(exchange.method.as_str(), &chosen.unversioned_path)) {
            Some(Lookup::Unknown) => {
                let detail = "The version asked for does not have this endpoint; it came with a newer one.";
                return Err(Refused::because(Code::EndpointUnknown, detail));
            }
            Some(Lookup::Operation(operation)) => Some(Arc::clone(operation)),
            Some(Lookup::Untouched) | None => None,
        };
        let api = &snapshot.config.apis[chosen.api];
        let references = plan.filter(|plan| plan.moves_paths()).map(|_| {
            let moved = operation.as_ref().and_then(|operation| operation.target(chosen.sent_path()));
            let asked = moved.as_ref().map_or(chosen.path.as_ref(), |(_, path)| without_prefix(api, path));
            let authority = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
            let host = authority.or_else(|| parts.headers.get(header::HOST).cloned());
            Box::new(References::of(chosen, parts.uri.path(), host, asked))
        });
        let adapts_answers = operation.as_ref().is_some_and(|operation| operation.adapts_responses());
        Ok(Self {
            accepted: if adapts_answers { Accepted::of(&parts.headers) } else { Accepted::default() },
            api: chosen.api,
            version: served,
            operation,
            references,
            media_type: chosen.media_type_text.map(|text| text.to_string().into()),
            group,
            patience,
            upgrade: if exchange.present.has(Present::UPGRADE) { Upgrade::read(parts).map(Box::new) } else { None },
            is_call: call.is_some(),
            loaded: Rc::clone(&loaded),
        })
    }

    /// The snapshot the exchange began with.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.loaded.snapshot
    }

    /// What HTTP leaves open about bodies of the API.
    pub(super) fn rules(&self) -> BodyRules {
        self.snapshot().config.apis[self.api].bodies
    }

    /// How the operation is adapted, if it is.
    pub(super) fn operation(&self) -> Option<&Arc<OperationPlan>> {
        self.operation.as_ref()
    }
}
