//! Certificates made when a test runs, and a client that shakes hands in-process.

use super::{Response, TempDir, http::read_head};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{self, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "the test's authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, signed.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// What a client that trusts this authority begins with.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_with(None, rustls::ALL_VERSIONS)
    }

    /// As `client`, with a certificate of its own and only these versions.
    pub(crate) fn client_with(
        &self,
        own: Option<&Pair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

impl Pair {
    /// Writes `{name}.crt` and `{name}.key`.
    pub(crate) fn write(&self, dir: &TempDir, name: &str) -> (PathBuf, PathBuf) {
        // As deployment tools do: a new file in the old one's place.
        let put = |file: String, text: &str| {
            let new = dir.write(&format!("{file}.new"), text);
            let path = dir.path(&file);
            std::fs::rename(new, &path).unwrap();
            path
        };
        (put(format!("{name}.crt"), &self.cert), put(format!("{name}.key"), &self.key))
    }
}

/// A client that keeps no tickets, unless it is the test's business.
pub(crate) fn forgetful(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// One connection, after its handshake.
pub(crate) struct TlsClient {
    pub(crate) reader: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsClient {
    /// Connects and shakes hands as far as the client's side goes.
    pub(crate) fn connect(to: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::over(TcpStream::connect(to)?, name, config)
    }

    /// As `connect`, on a connection that has said something before.
    pub(crate) fn over(stream: TcpStream, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { reader: BufReader::new(stream) })
    }

    pub(crate) fn session(&self) -> &ClientConnection {
        &self.reader.get_ref().conn
    }

    /// The names in the certificate that was shown.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.session().peer_certificates().unwrap()[0].to_vec()
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())?;
        self.reader.get_mut().flush()
    }

    /// One exchange with an answer that has a length.
    pub(crate) fn call(&mut self, head: &str, body: &[u8]) -> io::Result<Response> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.write([format!("{head}Host: shop.example\r\n{length}\r\n").as_bytes(), body].concat())?;
        self.read()
    }

    /// The next answer.
    pub(crate) fn read(&mut self) -> io::Result<Response> {
        let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer");
        let head = read_head(&mut self.reader)?.ok_or_else(closed)?;
        let status = head.line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let length = head.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok(Response { status, head, body, trailers: Vec::new() })
    }

    /// What is left until the gateway says goodbye. An end without a goodbye is an error.
    pub(crate) fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest)?;
        Ok(rest)
    }
}
