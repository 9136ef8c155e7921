//! `saslgate cert new`: a certificate for the local ports. The hard thing is trust: mail programs
//! believe an authority, so one is made for this certificate alone, and its key is forgotten before
//! anything is written. Nobody, this machine included, can sign anything else with it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use clap::{Args, Subcommand};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::ServerName;

use super::{
    Failure, Global,
    publish::{sweep, temporary_beside},
    terminal::say,
};
use crate::{
    config::{DEFAULT_CERTIFICATE, DEFAULT_KEY, Paths},
    platform::{self, OWNER_ONLY},
};

/// Make a TLS certificate for mail programs on this machine.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saslgate cert new")]
pub struct CertArgs {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Make a certificate and say how to trust it
    ///
    /// Writes the certificate, its key, and the authority that mail programs are to trust. The
    /// authority signs this one certificate; its own key is never written. Valid for 820 days. A
    /// running saslgate takes the new files up by itself.
    #[command(after_help = "Examples:
  saslgate cert new
  saslgate cert new --name mail.example.lan --name 192.0.2.7 --out /etc/saslgate")]
    New {
        /// A name or address by which mail programs connect; may be repeated
        #[arg(long = "name", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
        names: Vec<String>,
        /// Where to write the files [default: the folder of the configuration]
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Replace files that are there already; mail programs must then trust the new authority
        #[arg(long)]
        force: bool,
    },
}

/// Runs `saslgate cert`.
///
/// # Errors
/// A name is not one, files are there already, or cannot be written.
pub fn run(args: &CertArgs, global: &Global) -> Result<(), Failure> {
    let CertCommand::New { names, out, force } = &args.command;
    refuse_unfit(names)?;
    let folder = out.clone().unwrap_or_else(|| Paths::folder_of_config(global.config.as_deref()));
    let made = Made::new(names, SystemTime::now())
        .map_err(|error| Failure::fault(format!("cannot make a certificate: {error}")))?;
    made.write(&folder, *force)?;
    say(explanation(&made, names, &folder))
}

/// A certificate with what belongs to it, all PEM.
struct Made {
    certificate: String,
    key: String,
    authority: String,
    /// SHA-256 of the DER form: the certificate's and the authority's.
    fingerprints: [String; 2],
}

impl Made {
    fn new(names: &[String], now: SystemTime) -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let authority = CertifiedIssuer::self_signed(authority_params(now)?, authority_key)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = leaf_params(names, now)?.signed_by(&key, &authority)?;
        Ok(Self {
            fingerprints: [fingerprint(certificate.der()), fingerprint(authority.der())],
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: authority.pem(),
        })
    }

    fn write(&self, folder: &Path, force: bool) -> Result<(), Failure> {
        fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
        let files = [
            (DEFAULT_KEY, &self.key, OWNER_ONLY),
            (DEFAULT_CERTIFICATE, &self.certificate, FOR_ALL),
            (AUTHORITY, &self.authority, FOR_ALL),
        ];
        for (name, _, _) in files {
            let path = folder.join(name);
            if !force && path.exists() {
                return Err(Failure::mistake(format!(
                    "{} is there already, and mail programs may trust it: say --force to replace it, \
                     or --out to write elsewhere",
                    path.display()
                )));
            }
        }
        for (name, content, mode) in files {
            let path = folder.join(name);
            replace(&path, content, mode).map_err(|error| unwritten(&path, &error))?;
        }
        Ok(())
    }
}

fn authority_params(now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "saslgate on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now);
    Ok(params)
}

/// A server's certificate, as Apple's rules want it (they are the strictest): names in the extension,
/// `serverAuth`, no more than 825 days.
fn leaf_params(names: &[String], now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now);
    Ok(params)
}

/// From a day ago, since clocks differ.
pub(super) fn set_validity(params: &mut CertificateParams, now: SystemTime) {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + since;
    params.not_before = now - DAY;
    params.not_after = now + DAY * VALID_DAYS;
}

fn refuse_unfit(names: &[String]) -> Result<(), Failure> {
    match names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        None => Ok(()),
        Some(name) => Err(Failure::mistake(format!(
            "`{name}` is neither a host's name nor an address: give what mail programs connect to, \
             without a port"
        ))),
    }
}

pub(super) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let error = platform::explain(path, error);
    Failure::fault(format!("cannot write {}: {error}", path.display()))
}

/// Replaces the file in one step: the daemon may read it at any moment. `mode` counts on Unix.
pub(super) fn replace(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    sweep(path);
    let temporary = temporary_beside(path)?;
    let mut file = platform::create_new(&temporary, mode)?;
    let renamed = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    let renamed = renamed.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    platform::sync_folder_of(path)
}

/// As certificate viewers show it.
fn fingerprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    let octets: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    octets.join(":")
}

fn explanation(made: &Made, names: &[String], folder: &Path) -> String {
    let file = |name| folder.join(name).display().to_string();
    let authority = file(AUTHORITY);
    let [certificate_fingerprint, authority_fingerprint] = &made.fingerprints;
    format!(
        "\
Made a certificate for {names}, valid for {VALID_DAYS} days:
  certificate  {certificate}
  key          {key} (keep it secret)
  SHA-256      {certificate_fingerprint}
  authority    {authority}
  SHA-256      {authority_fingerprint}

In the configuration, [[listen]] with tls = \"starttls\", \"implicit\" or \"auto\" uses it (set certificate
and key there if these files are not beside the configuration).

Mail programs must trust the authority, which signed nothing else and cannot sign again:
  Windows            certutil -user -addstore Root \"{authority}\"
  macOS              security add-trusted-cert -r trustRoot -p ssl \\
                       -k ~/Library/Keychains/login.keychain-db \"{authority}\"
  Debian, Ubuntu     sudo cp \"{authority}\" /usr/local/share/ca-certificates/saslgate.crt
                     sudo update-ca-certificates
  Fedora, RHEL       sudo cp \"{authority}\" /etc/pki/ca-trust/source/anchors/saslgate.pem
                     sudo update-ca-trust
  Thunderbird,       Settings, Certificates (Manage Certificates), Authorities, Import: choose the
  Firefox            authority's file and tick \"Trust this CA to identify websites\"
  Any other program  set its CA file to the authority's, or compare the certificate's SHA-256",
        names = names.join(", "),
        certificate = file(DEFAULT_CERTIFICATE),
        key = file(DEFAULT_KEY),
    )
}

const AUTHORITY: &str = "saslgate-authority.pem";
/// Programs of other users verify with these.
pub(super) const FOR_ALL: u32 = 0o644;
const VALID_DAYS: u32 = 820;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{CertificateDer, UnixTime, pem::PemObject},
    };

    use super::*;

    fn made() -> (Made, Vec<String>) {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        (Made::new(&names, SystemTime::now()).unwrap(), names)
    }

    #[test]
    fn a_program_that_trusts_the_authority_trusts_the_certificate() {
        let (made, names) = made();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().unwrap();
        let leaf = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        let verify = |name: &str, now: UnixTime| {
            let name = ServerName::try_from(name).unwrap();
            verifier.verify_server_cert(&leaf, &[], &name, &[], now).is_ok()
        };
        for name in &names {
            assert!(verify(name, UnixTime::now()), "{name}");
        }
        assert!(!verify("example.com", UnixTime::now()));
        let later = |days| {
            UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + DAY * days)
        };
        assert!(verify("localhost", later(819)));
        assert!(!verify("localhost", later(821)));
    }

    #[test]
    fn the_key_is_private_and_files_are_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let (made, _) = made();
        made.write(folder.path(), false).unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read(DEFAULT_KEY), made.key);
        let (other, _) = self::made();
        let refused = other.write(folder.path(), false).unwrap_err();
        assert_eq!(refused.code, 2);
        assert_eq!(read(DEFAULT_CERTIFICATE), made.certificate);
        other.write(folder.path(), true).unwrap();
        assert_eq!(read(DEFAULT_CERTIFICATE), other.certificate);
        assert_eq!(read(AUTHORITY), other.authority);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let key = fs::metadata(folder.path().join(DEFAULT_KEY)).unwrap();
            assert_eq!(key.permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        }
    }

    #[test]
    fn unfit_names_are_refused() {
        for name in ["a b", "localhost:1143", ""] {
            assert!(refuse_unfit(&[name.to_owned()]).is_err(), "{name}");
        }
    }
}
