//! Certificates, and TLS in front of a scripted upstream.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: authorities are found by name.
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these host names and addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// What a server wants, and how it behaves.
#[derive(Default)]
pub(crate) struct Front {
    /// Only callers with a certificate of this authority are let in.
    pub(crate) callers: Option<String>,
    /// Closes without saying so in TLS, as a connection that was cut.
    pub(crate) rude: bool,
    pub(crate) alpn: Vec<&'static str>,
}

/// Who a caller said it wants, and what was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<String>,
}

/// TLS in front of a plain server.
pub(crate) struct TlsFront {
    pub(crate) addr: SocketAddr,
    greetings: Arc<Mutex<Vec<Greeting>>>,
}

impl TlsFront {
    pub(crate) fn start(to: SocketAddr, identity: &Identity, front: Front) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(identity, &front)));
        let greetings = Arc::new(Mutex::new(Vec::new()));
        let (shared, rude) = (greetings.clone(), front.rude);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(relay(stream, acceptor.clone(), to, rude, shared.clone()));
                }
            });
        });
        Self { addr, greetings }
    }

    /// `https://` and this name, with the front's port.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.addr.port())
    }

    /// Of every handshake that succeeded.
    pub(crate) fn greetings(&self) -> Vec<Greeting> {
        self.greetings.lock().unwrap().clone()
    }
}

async fn relay(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    to: SocketAddr,
    rude: bool,
    greetings: Arc<Mutex<Vec<Greeting>>>,
) {
    let Ok(mut caller) = acceptor.accept(stream).await else { return };
    let (_, session) = caller.get_ref();
    let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    greetings.lock().unwrap().push(Greeting { server_name: session.server_name().map(str::to_owned), alpn });
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    if rude {
        let (mut from_caller, mut to_caller) = tokio::io::split(caller);
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            _ = tokio::io::copy(&mut from_caller, &mut to_server) => {}
            _ = tokio::io::copy(&mut from_server, &mut to_caller) => {}
        }
    } else {
        let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
    }
}

fn server_config(identity: &Identity, front: &Front) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match &front.callers {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
    let mut config =
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap()).unwrap();
    config.alpn_protocols = front.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    // Without resumption, so that every handshake checks certificates anew.
    if front.callers.is_some() {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config
}
