//! Certificates of one test.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};

/// Signs certificates that nobody else does.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// The same in files.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// What those who trust it have.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for servers and clients with this name: an IP address, a URI, or the name of a host.
    pub fn certificate(&self, name: &str) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if name.contains("://") => SanType::URI(name.try_into()?),
            Err(_) => SanType::DnsName(name.try_into()?),
        }];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Certificate { certificate_pem, key_pem: key.serialize_pem() })
    }

    /// The same in a folder, with the authority beside it.
    pub fn write(&self, name: &str, folder: &Path) -> anyhow::Result<CertificateFiles> {
        let Certificate { certificate_pem, key_pem } = self.certificate(name)?;
        let write = |file: &str, pem: &str| {
            let path = folder.join(file);
            std::fs::write(&path, pem).with_context(|| path.display().to_string())?;
            anyhow::Ok(path)
        };
        Ok(CertificateFiles {
            ca: write("ca.pem", &self.pem)?,
            certificate: write("server.pem", &certificate_pem)?,
            key: write("server.key", &key_pem)?,
        })
    }
}
