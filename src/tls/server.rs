//! What a listener agrees to: certificates, versions, and whether clients have to show one of their own.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::Ticketer,
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{provider, sni::Certificates};

/// The protocols offered, best first (RFC 7301).
const ALPN: [&[u8]; 2] = [H2, b"http/1.1"];
/// HTTP/2 as ALPN names it (RFC 9113 section 3.1).
pub const H2: &[u8] = b"h2";

/// One listener's side of every handshake.
///
/// - Sessions are resumed by tickets: nothing is kept for a client that is away. Their keys belong to this value, so
///   a ticket is worth nothing on a listener that asks for other client certificates.
/// - Early data (0-RTT) is off: whoever records it can send it again.
#[derive(Clone)]
pub struct ServerTls {
    /// Shared by all workers.
    pub config: Arc<ServerConfig>,
    /// Whether clients may or must show a certificate.
    pub asks_clients: bool,
    /// Everything it was made from.
    origin: Arc<[u8]>,
}

/// What [`ServerTls`] is made from.
pub struct Settings {
    /// What clients are shown.
    pub certificates: Certificates,
    /// Who may connect.
    pub clients: Clients,
    /// Whether TLS 1.2 is refused; older versions always are.
    pub only_tls13: bool,
    /// The bytes of all files and options these were read from, to tell whether anything has changed.
    pub origin: Vec<u8>,
}

/// Whose certificates are asked for.
pub enum Clients {
    /// Nobody's.
    Unasked,
    /// Clients without one are let in; one that does not verify is refused.
    Optional(Arc<RootCertStore>),
    /// Clients without one are refused.
    Required(Arc<RootCertStore>),
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// No anchor, or one that cannot be used.
    #[error("client certificates cannot be verified: {0}")]
    Clients(#[from] VerifierBuilderError),
    /// The system gives no random numbers for ticket keys.
    #[error("session tickets cannot be made: {0}")]
    Tickets(rustls::Error),
}

impl ServerTls {
    /// Compiles `settings`.
    pub fn new(settings: Settings) -> Result<Self, ServerTlsError> {
        let versions: &[_] = if settings.only_tls13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("ring has cipher suites for TLS 1.2 and TLS 1.3");
        let verifier = settings.clients.verifier()?;
        let asks_clients = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(settings.certificates));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(ServerTlsError::Tickets)?;
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), asks_clients, origin: settings.origin.into() })
    }

    /// Whether both were made from the same files and options, so that one can stand for the other.
    pub fn is_same(&self, other: &Self) -> bool {
        self.origin == other.origin
    }
}

impl Clients {
    fn verifier(self) -> Result<Option<Arc<dyn ClientCertVerifier>>, VerifierBuilderError> {
        let builder = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider());
        Ok(match self {
            Self::Unasked => None,
            Self::Optional(roots) => Some(builder(roots).allow_unauthenticated().build()?),
            Self::Required(roots) => Some(builder(roots).build()?),
        })
    }
}

/// The origin holds private keys: it is not shown.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("asks_clients", &self.asks_clients).finish_non_exhaustive()
    }
}
