//! What was seen, in German.

use super::super::{code, listed, said, shown, status_unless_in};
use crate::check::{About, Finding};

/// What was seen, and whose fault it is.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(in super::super) fn what(finding: &Finding, about: &About) -> String {
    match finding {
        Finding::ConfigurationGood { provider, grant: Some(grant) } => {
            format!("Die Konfiguration ist in Ordnung (provider {provider}, grant {grant}).")
        }
        Finding::ConfigurationGood { provider, grant: None } => {
            format!("Die Konfiguration ist in Ordnung (provider {provider}, mit Passwörtern).")
        }
        Finding::LocalPasswordMissing => {
            "Kein Mailprogramm kann sich anmelden: Das Konto hat noch \
             kein lokales Passwort."
                .to_owned()
        }
        Finding::LocalPasswordsShutOut { names } => format!(
            "Kein Mailprogramm kann sich anmelden: Die Grenzen der lokalen Passwörter ({}) lassen kein Protokoll und kein \
             Netz übrig, aus dem jemand Verbindung aufnehmen kann.",
            listed(names)
        ),
        Finding::LocalSideGood { listeners, passwords } => format!(
            "saslgate läuft und nimmt Verbindungen an ({}); lokale Passwörter: {passwords}.",
            listed(listeners)
        ),
        Finding::DaemonNotRunning => {
            "Für diese Konfiguration läuft kein saslgate; darum kann sich \
             kein Mailprogramm verbinden."
                .to_owned()
        }
        Finding::DaemonSilent { text } => {
            format!(
                "Ein saslgate läuft, lässt sich aber nicht befragen; auf Englisch: {}",
                shown(text)
            )
        }
        Finding::StoreFault { text } => format!(
            "Der Speicher für Passwörter und Tokens auf diesem Rechner ist nicht benutzbar; auf Englisch: {}",
            shown(text)
        ),

        Finding::TimeUp { seconds } => format!(
            "Nicht versucht: Die Prüfung dauert schon länger als {seconds} Sekunden, denn etwas davor \
             antwortet spät oder gar nicht."
        ),

        Finding::Resolved { addresses } => format!("Adressen: {}.", listed(addresses)),
        Finding::NameUnknown { host } => format!(
            "Einen Server namens {host} gibt es nicht. Entweder ist der Name falsch geschrieben, oder \
             der Nameserver (DNS), den dieser Rechner befragt, kennt ihn nicht."
        ),
        Finding::ResolverFails { host, text } => format!(
            "Der Name {host} ließ sich nicht auflösen: Es liegt am Netz dieses Rechners oder an \
             seinem Nameserver (DNS). Das System meldet: {}",
            shown(text)
        ),
        Finding::Connected { address } => format!("{address} antwortet."),
        Finding::ConnectionRefused { host, port, .. } => format!(
            "{host} ist erreichbar, aber an Port {port} antwortet nichts: Der Port ist falsch, oder \
             der Dienst ist ausgeschaltet."
        ),
        Finding::ConnectionTimeout { host, port, .. } => format!(
            "{host} antwortet an Port {port} nicht. Meist verwirft eine Firewall die Verbindung, oder \
             der Port ist falsch."
        ),
        Finding::ConnectionFailed { host, port, text } => format!(
            "Das Netz bringt keine Verbindung zu {host}:{port} zustande. Das System meldet: {}",
            shown(text)
        ),
        Finding::TlsGood { version, expires: None } => {
            format!("{version}; das Zertifikat ist gültig.")
        }
        Finding::TlsGood { version, expires: Some(expires) } => format!(
            "{version}; das Zertifikat ist gültig bis {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::CertificateEndsSoon { host, expires } => format!(
            "Das Zertifikat von {host} läuft bald ab, am {}. Danach kann sich niemand mehr verbinden; \
             der Betreiber des Servers muss es erneuern.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::CertificateUnknownIssuer { host, issuer: Some(issuer), .. } => format!(
            "Das Zertifikat von {host} hat „{}“ ausgestellt; dieser Stelle vertraut dieser Rechner \
             nicht. Entweder ist es eine firmeneigene Zertifizierungsstelle, oder jemand sitzt \
             dazwischen.",
            shown(issuer)
        ),
        Finding::CertificateUnknownIssuer { host, issuer: None, .. } => format!(
            "Das Zertifikat von {host} stammt von keiner Stelle, der dieser Rechner vertraut. \
             Entweder ist es selbst signiert oder firmeneigen, oder jemand sitzt dazwischen."
        ),
        Finding::CertificateNameMismatch { host, names } => format!(
            "Das Zertifikat, das {host} vorweist, gilt für andere Namen: {}. Der eingetragene Host \
             ist ein Zweitname oder falsch, oder es antwortet ein anderer Server.",
            listed(names)
        ),
        Finding::CertificateExpired { host } => format!(
            "Das Zertifikat von {host} ist abgelaufen: Der Betreiber hat es nicht erneuert, oder die \
             Uhr dieses Rechners geht falsch."
        ),
        Finding::CertificateNotYetValid { host } => format!(
            "Das Zertifikat von {host} ist noch nicht gültig: Die Uhr dieses Rechners geht nach."
        ),
        Finding::CertificatePinMismatch { host, .. } => format!(
            "{host} weist ein anderes Zertifikat vor, als pin_sha256 verlangt: Es wurde erneuert, \
             oder jemand sitzt dazwischen."
        ),
        Finding::VerificationOff { host } => format!(
            "Die Konfiguration schaltet die Prüfung des Zertifikats von {host} ab: Wer dazwischen \
             sitzt, liest Mails, Tokens und Passwörter mit."
        ),
        Finding::NotTls { host, port } => format!(
            "Was an {host}:{port} antwortet, beginnt nicht mit TLS: Die Einstellung tls passt nicht \
             zu diesem Port."
        ),
        Finding::StartTlsMissing { host, port, text } => format!(
            "Der Server {host}:{port} beginnt kein STARTTLS: Die Einstellung tls passt nicht zu \
             diesem Port, oder ein Programm dazwischen hat es entfernt.{}",
            said(" Er meldet: ", text)
        ),
        Finding::TlsFailed { host, text } => format!(
            "Der TLS-Handshake mit {host} scheitert: Sein TLS ist zu alt, oder ein Programm \
             dazwischen stört. Einzelheiten auf Englisch: {}",
            shown(text)
        ),
        Finding::ServerSilent { host, port } => format!(
            "{host}:{port} nimmt die Verbindung an und schweigt: Der Server wartet auf TLS, ist \
             überlastet, oder eine Firewall antwortet an seiner Stelle."
        ),
        Finding::WrongProtocol { host, port, protocol, text } => format!(
            "Was an {host}:{port} antwortet, ist kein {protocol}-Server: Host oder Port in der \
             Konfiguration ist falsch. Einzelheiten auf Englisch: {}",
            shown(text)
        ),

        Finding::TokenGood { refreshed: true, expires } => format!(
            "Der Anbieter hat ein Zugriffstoken ausgestellt, gültig bis {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::TokenGood { refreshed: false, expires } => format!(
            "Ein Zugriffstoken liegt vor, gültig bis {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::UpstreamPasswordGood => {
            "Das Passwort für den Mailserver ist gespeichert.".to_owned()
        }
        Finding::UpstreamPasswordMissing { protocol } => format!(
            "Der {protocol}-Server verlangt ein Passwort, und es ist keines für ihn gespeichert."
        ),
        Finding::SignInMissing => {
            format!("{} hat sich noch nicht beim Anbieter angemeldet.", about.owner())
        }
        Finding::GrantExpired { code: number } => format!(
            "Die Anmeldung von {} ist abgelaufen, weil sie zu lange nicht benutzt wurde{}.",
            about.owner(),
            code(*number)
        ),
        Finding::GrantRevoked { code: number } => format!(
            "Die Anmeldung von {} gilt nicht mehr{}: Sie wurde widerrufen, oder das Passwort wurde \
             geändert.",
            about.owner(),
            code(*number)
        ),
        Finding::SignInFrequency => format!(
            "Die Anmeldehäufigkeit, die der Administrator vorgibt, hat die Anmeldung von {} beendet \
             (AADSTS70043). Das wird wieder geschehen.",
            about.owner()
        ),
        Finding::MfaNeeded { code: number } => format!(
            "Der Anbieter verlangt von {} einen zweiten Faktor{}; den kann nur ein Mensch liefern.",
            about.owner(),
            code(*number)
        ),
        Finding::ConditionalAccess { code: number } => format!(
            "Eine Richtlinie für bedingten Zugriff des Administrators verbietet das{}. Es liegt weder \
             am Passwort noch an saslgate.",
            code(*number)
        ),
        Finding::DevicePolicy { code: number } => format!(
            "Der Administrator erlaubt Anmeldungen nur von verwalteten Geräten{}.",
            code(*number)
        ),
        Finding::ConsentMissing { code: number } => format!(
            "Niemand hat den Berechtigungen zugestimmt, die die Anwendung {} verlangt{}.",
            about.application(),
            code(*number)
        ),
        Finding::AdminConsentMissing { code: number } => format!(
            "Den Berechtigungen, die die Anwendung {} verlangt, kann nur ein Administrator zustimmen{}; \
             das ist noch nicht geschehen.",
            about.application(),
            code(*number)
        ),
        Finding::TenantWrong { code: number } => format!(
            "Den Mandanten {} gibt es nicht, oder er passt nicht zur Anwendung{}: Eine Einstellung \
             ist falsch.",
            about.tenant_or("(keiner)"),
            code(*number)
        ),
        Finding::ClientIdWrong { code: number } => format!(
            "Der Anbieter kennt die Anwendung {} hier nicht, oder sie ist deaktiviert{}: client_id \
             oder tenant ist falsch.",
            about.application(),
            code(*number)
        ),
        Finding::NotAssigned => format!(
            "{} darf die Anwendung {} nicht benutzen: Sie verlangt, dass ihre Benutzer zugewiesen sind (AADSTS50105).",
            about.owner(),
            about.application()
        ),
        Finding::ApplicationDisabled => format!(
            "Die Anwendung {} ist in diesem Mandanten deaktiviert (AADSTS7000112).",
            about.application()
        ),
        Finding::SecretWrong if about.cloud().is_none() => format!(
            "Der Anbieter nimmt nicht an, womit sich die Anwendung {} ausweist: Das Clientgeheimnis ist falsch, oder die \
             Client-ID, oder die Anwendung wurde gelöscht.",
            about.application()
        ),
        Finding::SecretWrong => format!(
            "Das Clientgeheimnis der Anwendung {} ist falsch (AADSTS7000215). Oft wurde \
             die ID des Geheimnisses kopiert statt seines Werts.",
            about.application()
        ),
        Finding::SecretExpired => format!(
            "Das Clientgeheimnis der Anwendung {} ist abgelaufen (AADSTS7000222).",
            about.application()
        ),
        Finding::SecretMissing => format!(
            "Die Anwendung {} ist als vertrauliche Anwendung registriert, und die Konfiguration nennt \
             kein Clientgeheimnis für sie (AADSTS7000218).",
            about.application()
        ),
        Finding::SecretNotWanted => format!(
            "Die Anwendung {} ist als öffentliche Anwendung registriert und darf kein Clientgeheimnis \
             senden (AADSTS700025).",
            about.application()
        ),
        Finding::AssertionRefused { code: number } => format!(
            "Der Anbieter erkennt nicht an, womit sich die Anwendung {} ausweist ({}){}: Dort ist \
             etwas anderes hinterlegt.",
            about.application(),
            about.proof.unwrap_or("service_account_key"),
            code(*number)
        ),
        Finding::ClockWrong => "Der Nachweis der Anwendung ist zu dieser Zeit nicht gültig \
             (AADSTS700024 bei Microsoft): Eine Uhr geht falsch, oder der Nachweis wurde nicht \
             erneuert."
            .to_owned(),
        Finding::RedirectMismatch { redirect_uri } => format!(
            "Die Adresse {}, an die der Browser zurückkehrt, ist bei der Anwendung {} nicht \
             eingetragen (AADSTS50011 bei Microsoft).",
            shown(redirect_uri),
            about.application()
        ),
        Finding::ScopeWrong { code: number } => format!(
            "Der Anbieter kennt einen verlangten Scope nicht, oder der Anwendung fehlt er{}. Verlangt \
             werden: {}.",
            code(*number),
            about.scopes.join(" ")
        ),
        Finding::UserUnknown { code: number } => format!(
            "Den Benutzer {} gibt es im Mandanten {} nicht{}.",
            about.owner(),
            about.tenant_or("dieser Anwendung"),
            code(*number)
        ),
        Finding::UserUnusable { code: number } => format!(
            "Das Konto von {} beim Anbieter ist gesperrt oder deaktiviert, oder sein Passwort ist \
             falsch oder abgelaufen{}.",
            about.owner(),
            code(*number)
        ),
        Finding::DelegationMissing => format!(
            "Der Administrator der Domain hat dem Dienstkonto {} nicht erlaubt, mit diesen Scopes für \
             die Benutzer zu handeln.",
            about.application()
        ),
        Finding::GrantNotAllowed => format!(
            "Die Anwendung {} darf auf diesem Weg keine Tokens beziehen (grant {}; \
             unauthorized_client).",
            about.application(),
            about.grant.unwrap_or("keiner")
        ),
        Finding::EndpointThrottled { retry_after_seconds: Some(seconds) } => format!(
            "Der Anbieter ist ausgelastet oder begrenzt die Anfragen; er will in {seconds} Sekunden \
             wieder gefragt werden."
        ),
        Finding::EndpointThrottled { retry_after_seconds: None } => {
            "Der Anbieter ist ausgelastet oder begrenzt die Anfragen.".to_owned()
        }
        Finding::EndpointFault { status, text } => format!(
            "Beim Anbieter selbst liegt eine Störung vor{}; auf Englisch: it {}.",
            status_unless_in(*status, text),
            shown(text)
        ),
        Finding::EndpointUnreachable { host, text } => format!(
            "Der Token-Endpunkt des Anbieters bei {host} ist von diesem Rechner aus nicht erreichbar; \
             auf Englisch: {}",
            shown(text)
        ),
        Finding::ProxyUnreachable { host, text } => format!(
            "Der Weg zum Token-Endpunkt führt über den eingetragenen Proxy {host}, und der bringt die Verbindung nicht \
             zustande. Einzelheiten auf Englisch: {}",
            shown(text)
        ),
        Finding::NoOauthAnswer { status, text } => format!(
            "Was an der eingetragenen Adresse antwortet, ist kein Token-Endpunkt für OAuth oder ist \
             gestört{}. Meist ist token_url, tenant oder provider falsch. Einzelheiten auf Englisch: it {}.",
            status.map(|it| format!(" (HTTP-Status {it})")).unwrap_or_default(),
            shown(text)
        ),
        Finding::ProviderRefused { error, code: number, text } => format!(
            "Der Anbieter lehnt ab{}{}; auf Englisch: {}",
            error.as_deref().map(|it| format!(" ({})", shown(it))).unwrap_or_default(),
            code(*number),
            shown(text)
        ),
        Finding::ExternalTokenFails { text } => format!(
            "Das Programm oder die Datei, aus der das Zugriffstoken kommen soll, liefert keines; auf \
             Englisch: {}",
            shown(text)
        ),

        Finding::ClaimsGood { audience, permissions, user } => format!(
            "Das Token gilt für {}, mit {}{}.",
            shown(audience.as_deref().unwrap_or("einen Dienst, den es nicht nennt")),
            if permissions.is_empty() {
                "keinen benannten Berechtigungen".to_owned()
            } else {
                listed(permissions)
            },
            user.as_deref().map(|it| format!(", von {}", shown(it))).unwrap_or_default()
        ),
        Finding::ClaimsOpaque => {
            "Das Token kann nur der Anbieter selbst lesen. Das ist in Ordnung.".to_owned()
        }
        Finding::AudienceWrong { audience, expected } => format!(
            "Das Token gilt für einen anderen Dienst: {}. Die Mailserver nehmen nur eines für {}. Es \
             liegt an den Scopes in der Konfiguration.",
            shown(audience),
            shown(expected)
        ),
        Finding::ScopeMissing { protocol, scope, has } => format!(
            "Das Token öffnet {protocol} nicht: Der Scope {} fehlt. Vorhanden: {}.",
            shown(scope),
            if has.is_empty() { "keiner".to_owned() } else { listed(has) }
        ),
        Finding::RoleMissing { protocol, role, has } => format!(
            "Das Token öffnet {protocol} nicht: Der Anwendung fehlt die Berechtigung {}, oder kein \
             Administrator hat ihr zugestimmt. Vorhanden: {}.",
            shown(role),
            if has.is_empty() { "keine".to_owned() } else { listed(has) }
        ),
        Finding::UserWrong { user, expected } => format!(
            "Angemeldet hat sich {}; es sollte aber {} sein. Das ist ein anderer Name derselben Person, \
             oder der Browser war noch mit dem anderen Konto angemeldet.",
            shown(user),
            shown(expected)
        ),

        Finding::LoginGood { user } => format!("Der Server hat {} angemeldet.", shown(user)),
        Finding::InboxGood { messages } => {
            format!("Der Posteingang lässt sich öffnen; Nachrichten: {messages}.")
        }
        Finding::MailboxPermissionMissing { mailbox, text } => format!(
            "Der Server nimmt das Token an, öffnet aber das Postfach {} nicht: {} fehlt die \
             Berechtigung dafür, oder das Postfach gibt es nicht. Er meldet: {}",
            shown(mailbox),
            if about.app_only { "Der Anwendung" } else { about.owner() },
            shown(text)
        ),
        Finding::ServicePrincipalWrong { mailbox, text } => format!(
            "Exchange kennt die Anwendung {} für das Postfach {} nicht: Ihr Dienstprinzipal (service \
             principal) fehlt oder wurde mit einer falschen Objekt-ID angelegt. Der Server meldet: {}",
            about.application(),
            shown(mailbox),
            shown(text)
        ),
        Finding::ProtocolOff { protocol, mailbox, text } => format!(
            "{protocol} ist für das Postfach {} ausgeschaltet. Der Server meldet: {}",
            shown(mailbox),
            shown(text)
        ),
        Finding::SmtpAuthOffForTenant { text } => format!(
            "Der Administrator hat das Senden mit Anmeldung (SMTP AUTH) für den ganzen Mandanten \
             ausgeschaltet. Der Server meldet: {}",
            shown(text)
        ),
        Finding::SmtpAuthOffForMailbox { mailbox, text } => format!(
            "Das Senden mit Anmeldung (SMTP AUTH) ist für das Postfach {} ausgeschaltet. Der Server \
             meldet: {}",
            shown(mailbox),
            shown(text)
        ),
        Finding::SecurityDefaults { text } => format!(
            "Die Sicherheitsstandards (security defaults) des Mandanten verbieten das Senden mit \
             Anmeldung (SMTP AUTH). Der Server meldet: {}",
            shown(text)
        ),
        Finding::PolicyForbids { text } => format!(
            "Eine Richtlinie des Administrators für bedingten Zugriff oder für die Authentifizierung \
             verbietet diese Anmeldung. Es liegt weder am Passwort noch am Token noch an saslgate. Der \
             Server meldet: {}",
            shown(text)
        ),
        Finding::PasswordsNotTaken { text } => format!(
            "Der Server nimmt keine Passwörter mehr an; die Konfiguration sagt, er tue es. Er meldet: \
             {}",
            shown(text)
        ),
        Finding::UpstreamPasswordRefused { protocol, text } => format!(
            "Der {protocol}-Server weist das gespeicherte Passwort zurück. Er meldet: {}",
            shown(text)
        ),
        Finding::TokenRefused { user, text } => format!(
            "Der Server weist das Token für {} zurück und sagt nicht, warum. Es bleiben die folgenden \
             Ursachen, die wahrscheinlichste zuerst. Er meldet: {}",
            shown(user),
            shown(text)
        ),
        Finding::MechanismMissing { offered } => format!(
            "Der Server bietet das Anmeldeverfahren nicht an, das die Konfiguration verlangt. Er \
             bietet an: {}.",
            shown(offered)
        ),
        Finding::ServerThrottles { text } => format!(
            "Der Server ist ausgelastet, oder das Postfach hat zu viele Verbindungen zugleich. Er \
             meldet: {}",
            shown(text)
        ),
        Finding::ServerUnclear { host, port, text } => format!(
            "{host}:{port} ist erreichbar, spricht dann aber nicht, wie es sein muss: Der Server ist \
             überlastet oder gestört, oder etwas dazwischen stört ihn. Einzelheiten auf Englisch: {}",
            shown(text)
        ),
        Finding::ConnectionBroken { text } => format!(
            "Die Verbindung brach mittendrin ab. Einzelheiten auf Englisch: {}",
            shown(text)
        ),
        Finding::SmtpWorksAs { user, configured, .. } => format!(
            "SMTP meldet {} nicht an, wie es die Konfiguration verlangt, wohl aber {}.",
            shown(configured),
            shown(user)
        ),
        Finding::InboxMissing { text } => format!(
            "Die Anmeldung gelingt, aber der Posteingang lässt sich nicht öffnen. Der Server meldet: \
             {}",
            shown(text)
        ),

        Finding::MailSent { to, text } => format!(
            "Der Server hat die Testmail an {} angenommen. Er meldet: {}",
            shown(to),
            shown(text)
        ),
        Finding::MailNotSent => {
            "Es wurde keine Testmail verlangt; das Senden ist also nicht erprobt.".to_owned()
        }
        Finding::SenderNotAllowed { from, user, text } => format!(
            "{} darf nicht als {} senden: Die Berechtigung fehlt. Der Server meldet: {}",
            shown(user),
            shown(from),
            shown(text)
        ),
        Finding::RecipientRefused { to, text } => {
            format!("Der Server nimmt keine Mail an {} an. Er meldet: {}", shown(to), shown(text))
        }
        Finding::AddressNotTaken { address } => format!(
            "Die Adresse {} enthält Zeichen außerhalb von ASCII, und solche Adressen nimmt der Server nicht: \
             Ihm fehlt SMTPUTF8.",
            shown(address)
        ),
        Finding::MailDelayed { text } => format!(
            "Der Server nimmt die Testmail jetzt nicht an, vielleicht aber später (Greylisting zum \
             Beispiel). Er meldet: {}",
            shown(text)
        ),
        Finding::MailRefused { text } => {
            format!("Der Server nimmt die Testmail nicht an. Er meldet: {}", shown(text))
        }
        Finding::MailArrived { seconds } => {
            format!("Sie ist innerhalb von {seconds} Sekunden angekommen.")
        }
        Finding::MailNotArrived { seconds } => format!(
            "Nach {seconds} Sekunden lag sie nicht im Posteingang: Sie verspätet sich, oder sie wurde \
             woanders abgelegt (Junk-E-Mail, eine Regel)."
        ),
        Finding::ArrivalNotVisible { to } => format!(
            "Ob sie angekommen ist, lässt sich von hier aus nicht sehen: {} ist nicht das Postfach \
             dieses Kontos.",
            shown(to)
        ),
    }
}
