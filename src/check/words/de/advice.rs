//! What to do, in German.

use super::super::{advice::Advice, listed, shown};
use crate::{check::About, config::Protocol, guide::command};

/// One thing to do; its lines stand below it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(in super::super) fn advice(advice: &Advice, about: &About) -> String {
    match advice {
        Advice::SetLocalPassword => "Vergeben Sie ein Passwort für das Mailprogramm:".to_owned(),
        Advice::LiftLimits => "Heben Sie die Grenzen eines Passworts auf, oder fassen Sie sie weiter (--name NAME für ein \
             anderes als „default“):"
            .to_owned(),
        Advice::OpenPort => "Oder öffnen Sie einen Port, wo die Grenzen es erlauben: eine Tabelle [[listen]] mit diesem \
             Protokoll und einer Adresse, die das Netz erreicht."
            .to_owned(),
        Advice::StartDaemon => "Starten Sie es (oder seinen Dienst):".to_owned(),
        Advice::LookAtDaemon => {
            "Sehen Sie nach, wie es ihm geht; antwortet es nicht, starten Sie es neu:".to_owned()
        }
        Advice::LookAtStore => {
            "Bringen Sie das in Ordnung; den Ordner des Speichers zeigt:".to_owned()
        }
        Advice::SetClock => "Stellen Sie die Uhr dieses Rechners richtig, zum Beispiel mit:".to_owned(),

        Advice::CheckName { host } => format!(
            "Vergleichen Sie {host} mit den Angaben des Anbieters, und prüfen Sie, ob dieser Rechner \
             den Namen auflöst:"
        ),
        Advice::UsePort { port } => format!(
            "Üblich ist Port {port}. Schreiben Sie in der Konfiguration in die Tabelle dieses \
             Servers:"
        ),
        Advice::OpenFirewall { host, port } => format!(
            "Lassen Sie ausgehende Verbindungen zu {host}, Port {port}, durch die Firewall. Zum \
             Ausprobieren:"
        ),
        Advice::AskOperator { host } => {
            format!("Stimmt das alles, wenden Sie sich an den Betreiber von {host}.")
        }
        Advice::UseTls { .. } => {
            "Schreiben Sie in der Konfiguration in die Tabelle dieses Servers:".to_owned()
        }
        Advice::SuspectInterception => "Suchen Sie, was dazwischen sitzt: ein Virenscanner, eine \
             Firewall oder ein Proxy, der Verbindungen aufbricht. Nehmen Sie diesen Server dort aus."
            .to_owned(),
        Advice::BelieveAuthority { issuer } => format!(
            "Ist {} die Zertifizierungsstelle Ihrer Firma, legen Sie deren Zertifikat (PEM) neben die \
             Konfiguration und schreiben Sie:",
            shown(issuer.as_deref().unwrap_or("der Aussteller"))
        ),
        Advice::PinCertificate { .. } => "Nennt Ihnen der Administrator des Servers denselben \
             Fingerabdruck (SHA-256), schreiben Sie in die Tabelle dieses Servers:"
            .to_owned(),
        Advice::UseCertifiedName { names } => {
            format!("Verwenden Sie einen Namen, der im Zertifikat steht ({}):", listed(names))
        }
        Advice::VerifyAgain => "Entfernen Sie danger_skip_certificate_verification aus der \
             Konfiguration; für ein eigenes Zertifikat gibt es ca_file und pin_sha256."
            .to_owned(),
        Advice::MendWhatIsSilent => "Beheben Sie zuerst, was in den Schritten davor nicht geantwortet hat, \
             und prüfen Sie dann noch einmal."
            .to_owned(),
        Advice::TryAgain => "Versuchen Sie es noch einmal; bleibt es dabei, wenden Sie sich an den \
             Betreiber des Servers."
            .to_owned(),

        Advice::SignIn => format!("Melden Sie sich als {} an:", about.owner()),
        Advice::SignInAs { user } => format!(
            "Melden Sie sich als {} an; in einem privaten Fenster des Browsers, oder melden Sie sich \
             dort zuerst ab:",
            shown(user)
        ),
        Advice::SignInFromDevice => "Melden Sie sich von einem Gerät aus an, das die Firma verwaltet \
             (oder mit --paste über dessen Browser):"
            .to_owned(),
        Advice::SignInInsteadOfPassword => "Lassen Sie stattdessen die Person sich anmelden. \
             Schreiben Sie in das Konto, und führen Sie dann aus:"
            .to_owned(),
        Advice::KeepRunning => "Lassen Sie saslgate dauernd laufen: Dann erneuert es die Anmeldung, \
             bevor sie abläuft."
            .to_owned(),
        Advice::PublishGoogleApplication => "Endet sie alle 7 Tage: Die Anwendung steht in der Google \
             Cloud Console auf „Test“ (Testing). Veröffentlichen Sie sie („In Produktion“), oder \
             machen Sie sie „Intern“:"
            .to_owned(),
        Advice::EaseFrequency => format!(
            "Soll sie länger gelten, bitten Sie den Administrator, die Anwendung {} von der \
             Sitzungssteuerung „Anmeldehäufigkeit“ (Sign-in frequency) auszunehmen:",
            about.application()
        ),
        Advice::EasePolicy if about.app_only => format!(
            "Bitten Sie den Administrator, das für die Anwendung {} zu erlauben. Welche Richtlinie es \
             verboten hat, steht im Anmeldeprotokoll von Microsoft Entra unter „Anmeldungen von \
             Dienstprinzipalen“; die Richtlinien:",
            about.application()
        ),
        Advice::EasePolicy => format!(
            "Bitten Sie den Administrator, {} die Anwendung {} zu erlauben. Welche Richtlinie es \
             verboten hat, steht im Anmeldeprotokoll von Microsoft Entra; die Richtlinien:",
            about.owner(),
            about.application()
        ),
        Advice::AdminConsent if about.is_google() => "Lassen Sie den Administrator von Google Workspace der Anwendung \
             vertrauen: Admin-Konsole, Sicherheit, Zugriff und Datenkontrolle, API-Steuerung, App-Zugriff verwalten."
            .to_owned(),
        Advice::AdminConsent if about.cloud().is_none() => {
            "Lassen Sie einen Administrator beim Anbieter zustimmen.".to_owned()
        }
        Advice::AdminConsent => format!(
            "Lassen Sie einen Administrator von {} diesen Link öffnen und zustimmen:",
            about.tenant_or("Ihrem Mandanten")
        ),
        Advice::UseOwnTenant => format!(
            "Eingetragen ist der Mandant {}. Schreiben Sie den der Firma, als Domain oder ID (in \
             Microsoft Entra unter „Übersicht“), zum Beispiel:",
            about.tenant_or("(keiner)")
        ),
        Advice::CorrectClientId if about.cloud().is_none() => {
            "Vergleichen Sie mit dem, was beim Anbieter für die Anwendung hinterlegt ist:".to_owned()
        }
        Advice::CorrectClientId => "Vergleichen Sie mit „Anwendungs-ID (Client)“ auf der Seite der \
             Anwendung (nicht mit der Objekt-ID oder der ID eines Geheimnisses):"
            .to_owned(),
        Advice::AssignUser => format!(
            "Lassen Sie einen Administrator {} der Anwendung zuweisen (Unternehmensanwendungen, „Benutzer und Gruppen“), \
             oder dort „Zuweisung erforderlich“ auf Nein stellen. Die Anwendung:",
            about.owner()
        ),
        Advice::EnableApplication => "Lassen Sie einen Administrator sie wieder aktivieren: Unternehmensanwendungen, \
             „Eigenschaften“, „Aktiviert für die Benutzeranmeldung“. Die Anwendung:"
            .to_owned(),
        Advice::CheckProxy => "Prüfen Sie, ob der Proxy läuft und diesen Rechner durchlässt, oder berichtigen oder \
             entfernen Sie die Einstellung:"
            .to_owned(),
        Advice::CorrectSecret if about.cloud().is_none() => {
            "Kopieren Sie das Geheimnis, das der Anbieter für die Anwendung anzeigt, in die Datei, die \
             client_secret nennt, oder lassen Sie sich ein neues geben:"
                .to_owned()
        }
        Advice::CorrectSecret => "Kopieren Sie den Wert des Geheimnisses, nicht seine ID, in die \
             Datei, die client_secret nennt; wird er nicht mehr angezeigt, legen Sie unter \
             „Zertifikate & Geheimnisse“ ein neues an:"
            .to_owned(),
        Advice::MakeSecret => "Legen Sie unter „Zertifikate & Geheimnisse“ ein neues Geheimnis an, \
             und schreiben Sie seinen Wert in die Datei, die client_secret nennt:"
            .to_owned(),
        Advice::GiveSecret if !about.app_only => {
            "Oder, soll sie vertraulich bleiben, legen Sie unter „Zertifikate & Geheimnisse“ ein Geheimnis \
             an, speichern Sie seinen Wert in einer Datei, die nur saslgate lesen kann, und schreiben Sie:"
                .to_owned()
        }
        Advice::GiveSecret => "Legen Sie unter „Zertifikate & Geheimnisse“ ein Geheimnis an, \
             speichern Sie seinen Wert in einer Datei, die nur saslgate lesen kann, und schreiben Sie:"
            .to_owned(),
        Advice::DropSecret => "Entfernen Sie client_secret aus dem Konto und aus [defaults]; oder \
             tragen Sie die Rückkehradresse unter der Plattform „Web“ ein, dann wird die Anwendung \
             vertraulich."
            .to_owned(),
        Advice::BecomePublic => "Machen Sie die Anwendung öffentlich: auf ihrer Seite \
             „Authentifizierung“ die Plattform „Mobil- und Desktopanwendungen“, und „Öffentliche \
             Clientflows zulassen“: Ja."
            .to_owned(),
        Advice::RegisterCertificate if about.cloud().is_none() => {
            "Hinterlegen Sie das Zertifikat, das client_certificate nennt (ohne Schlüssel), beim Anbieter, \
             und prüfen Sie, ob es abgelaufen ist."
                .to_owned()
        }
        Advice::RegisterCertificate => "Laden Sie das Zertifikat, das client_certificate nennt (ohne \
             Schlüssel), unter „Zertifikate & Geheimnisse“ zur Anwendung hoch, und prüfen Sie, ob es \
             abgelaufen ist."
            .to_owned(),
        Advice::CompareFederation => "Vergleichen Sie Aussteller, Antragsteller und Zielgruppe \
             (issuer, subject, audience) der Verbundanmeldeinformationen mit dem Token in \
             federated_token_file, und prüfen Sie, ob diese Datei erneuert wird:"
            .to_owned(),
        Advice::CheckServiceAccountKey => "Prüfen Sie, ob der Schlüssel aus service_account_key in \
             der Google Cloud Console beim Dienstkonto noch aufgeführt ist, ob es das Postfach gibt, \
             und ob die Uhr dieses Rechners richtig geht."
            .to_owned(),
        Advice::RegisterRedirect { .. } if about.is_google() => "Legen Sie einen Client vom Typ \
             „Desktop-App“ an, oder tragen Sie genau diese Adresse ein:"
            .to_owned(),
        Advice::RegisterRedirect { .. } => "Tragen Sie bei der Anwendung unter „Authentifizierung“, \
             Plattform „Mobil- und Desktopanwendungen“, genau diese Adresse ein:"
            .to_owned(),
        Advice::CorrectScopes { expected } if about.provider == "custom" => format!(
            "Vergleichen Sie scopes in der Konfiguration mit dem, was der Anbieter für E-Mail \
             vorschreibt{}. Jetzt steht dort:",
            expected.as_deref().map(|it| format!("; nötig ist {}", shown(it))).unwrap_or_default()
        ),
        Advice::CorrectScopes { expected: Some(expected) } => format!(
            "Steht scopes in der Konfiguration, entfernen Sie es (dann werden die üblichen des Anbieters verlangt), oder \
             berichtigen Sie es so, dass einer für {} darunter ist. Jetzt gilt:",
            shown(expected)
        ),
        Advice::CorrectScopes { expected: None } => "Steht scopes in der Konfiguration, entfernen Sie es (dann \
             werden die üblichen des Anbieters verlangt). Sonst vergleichen Sie die Liste mit den Berechtigungen der \
             Anwendung. Jetzt gilt:"
            .to_owned(),
        Advice::AddPermission { .. } if about.cloud().is_none() => {
            "Lassen Sie den Betreiber des Anbieters der Anwendung diese Berechtigung geben:".to_owned()
        }
        Advice::AddPermission { .. } if about.app_only => "Fügen Sie der Anwendung diese Berechtigung \
             hinzu, unter „API-Berechtigungen“, „Von meiner Organisation verwendete APIs“, „Office 365 \
             Exchange Online“, „Anwendungsberechtigungen“:"
            .to_owned(),
        Advice::AddPermission { .. } => "Fügen Sie der Anwendung diese Berechtigung hinzu (bei \
             Microsoft: „API-Berechtigungen“, „Delegierte Berechtigungen“):"
            .to_owned(),
        Advice::UseThisOwner { user } => format!(
            "Oder, wenn {} das Postfach öffnen soll, schreiben Sie in das Konto (und erteilen Sie die \
             Berechtigung für das Postfach):",
            shown(user)
        ),
        Advice::FindUser => format!(
            "Prüfen Sie, ob {} so geschrieben ist wie in der Benutzerliste des Administrators, und ob \
             sich die Person bei diesem Mandanten anmeldet oder bei einem anderen.",
            about.owner()
        ),
        Advice::RepairUser => format!(
            "Lassen Sie {} sich auf der Webseite des Anbieters anmelden, oder bitten Sie den \
             Administrator, das Konto zu entsperren oder ein neues Passwort zu vergeben.",
            about.owner()
        ),
        Advice::DelegateScopes => "Lassen Sie den Administrator der Domain auf dieser Seite genau das \
             Folgende eintragen (Client-ID, Scopes):"
            .to_owned(),
        Advice::AllowGrant if about.is_google() => {
            "Legen Sie einen Client vom Typ „Desktop-App“ an, und verwenden Sie dessen client_id:"
                .to_owned()
        }
        Advice::AllowGrant => "Erlauben Sie es auf der Seite der Anwendung (bei Microsoft: \
             „Authentifizierung“, „Öffentliche Clientflows zulassen“):"
            .to_owned(),
        Advice::Wait { seconds: Some(seconds) } => format!(
            "Warten Sie {seconds} Sekunden; saslgate versucht es von selbst wieder."
        ),
        Advice::Wait { seconds: None } => {
            "Warten Sie einige Minuten; saslgate versucht es von selbst wieder.".to_owned()
        }
        Advice::CheckTokenUrl => "Ist die Adresse falsch, berichtigen Sie tenant, provider oder \
             token_url. Jetzt gilt:"
            .to_owned(),
        Advice::LookUpCode { code } => format!("Was Microsoft zu AADSTS{code} sagt:"),
        Advice::CheckExternal => "Führen Sie aus, was token_command nennt, oder sehen Sie sich \
             token_file an; ob die Einstellung brauchbar ist:"
            .to_owned(),
        Advice::SetUpstreamPassword { protocol } => {
            format!("Speichern Sie das Passwort für den {protocol}-Server:")
        }
        Advice::MakeAppPassword => "Viele Anbieter verlangen ein Passwort, das eigens für ein \
             Programm erzeugt wird (App-Passwort)."
            .to_owned(),

        Advice::MindLockout => "Prüfen Sie erst danach wieder: Jede Prüfung versucht das gespeicherte \
             Passwort einmal, und manche Server sperren einen Benutzer nach wenigen falschen."
            .to_owned(),

        Advice::OpenExchangeShell => "Das Folgende führt ein Administrator in Exchange Online \
             PowerShell aus:"
            .to_owned(),
        Advice::AllowMailbox { mailbox } if about.app_only => format!(
            "Lassen Sie die Anwendung {} öffnen (anstelle von {}: „Objekt-ID“ unter \
             Unternehmensanwendungen):",
            shown(mailbox),
            command::OBJECT_ID
        ),
        Advice::AllowMailbox { mailbox } => {
            format!("Lassen Sie {} das Postfach {} öffnen:", about.owner(), shown(mailbox))
        }
        Advice::CheckMailbox { mailbox } if about.cloud().is_none() => format!(
            "Prüfen Sie, ob es das Postfach {} unter genau diesem Namen gibt.",
            shown(mailbox)
        ),
        Advice::CheckMailbox { mailbox } => format!(
            "Prüfen Sie, ob es das Postfach {} unter genau diesem Namen gibt und ob es eine Lizenz \
             hat.",
            shown(mailbox)
        ),
        Advice::CompareServicePrincipal => format!(
            "Vergleichen Sie ObjectId von {} mit „Objekt-ID“ unter Unternehmensanwendungen (die unter \
             App-Registrierungen ist eine andere, und hier falsch):",
            about.application()
        ),
        Advice::RenewServicePrincipal => format!(
            "Ist sie falsch oder fehlt sie, entfernen Sie den Eintrag (wenn es ihn gibt), und legen \
             Sie ihn neu an; die richtige ID anstelle von {}:",
            command::OBJECT_ID
        ),
        Advice::SwitchOn { protocol, mailbox } => switch_on(about, *protocol, mailbox),
        Advice::LookAtSwitches { mailbox } => {
            format!("Prüfen Sie, ob die Protokolle von {} eingeschaltet sind:", shown(mailbox))
        }
        Advice::AllowSmtpAuth { mailbox } => {
            format!("Erlauben Sie SMTP AUTH allein für das Postfach {}:", shown(mailbox))
        }
        Advice::AllowSmtpAuthForTenant => {
            "Oder für den ganzen Mandanten; die Einstellung eines Postfachs geht vor:".to_owned()
        }
        Advice::EndSecurityDefaults => "Microsoft Entra, „Übersicht“, „Eigenschaften“, \
             „Sicherheitsstandards verwalten“: Deaktivieren Sie sie, und verlangen Sie den zweiten \
             Faktor stattdessen mit Richtlinien für bedingten Zugriff:"
            .to_owned(),
        Advice::UseOAuth => "Stellen Sie das Konto für diesen Server auf OAuth um; wie, sagt die \
             zweite Zeile:"
            .to_owned(),
        Advice::LeaveMechanismOpen => "Lassen Sie saslgate wählen, was der Server anbietet; bietet er \
             gar kein OAuth an, ist der Host falsch, oder der Anbieter hat es nicht:"
            .to_owned(),
        Advice::FewerConnections => "Bleibt es dabei, schließen Sie andere Programme, die das \
             Postfach benutzen, oder senken Sie connection_limit des Kontos."
            .to_owned(),
        Advice::SetSharedSmtp { .. } => "Schreiben Sie in das Konto:".to_owned(),
        Advice::LookAtClaims => "Stimmt das alles, vergleichen Sie den Inhalt des Tokens (der Schritt \
             weiter oben) mit dem Postfach."
            .to_owned(),

        Advice::SendTestMail => "Um auch Senden und Empfang zu erproben:".to_owned(),
        Advice::WaitLonger => {
            "Sehen Sie im Ordner „Junk-E-Mail“ nach, oder warten Sie länger:".to_owned()
        }
        Advice::LookThere { to } => format!("Sehen Sie im Postfach von {} nach.", shown(to)),
        Advice::AllowSender { from } => format!(
            "Erlauben Sie {}, als {} zu senden, oder stellen Sie die Absenderadresse des \
             Mailprogramms auf das Postfach:",
            if about.app_only { "der Anwendung" } else { about.owner() },
            shown(from)
        ),
        Advice::UseAsciiAddress => "Nehmen Sie einen Empfänger, dessen Adresse in ASCII geschrieben ist; \
             auch die des Kontos muss es sein."
            .to_owned(),
        Advice::SendLater => "Prüfen Sie in einigen Minuten noch einmal; der Postausgang eines \
             Mailprogramms versucht es von selbst wieder."
            .to_owned(),
        Advice::CheckRecipient { to } => format!(
            "Prüfen Sie, ob {} richtig geschrieben ist, oder nehmen Sie einen anderen Empfänger.",
            shown(to)
        ),
    }
}

fn switch_on(about: &About, protocol: Protocol, mailbox: &str) -> String {
    if about.is_consumer() {
        format!(
            "Schalten Sie POP und IMAP für {} ein (anfangs sind sie aus): „Einstellungen“, „E-Mail“, \
             „Weiterleitung und IMAP“. Sind sie ein, melden Sie sich als dieses Konto neu an.",
            shown(mailbox)
        )
    } else if about.is_google() {
        format!(
            "Schalten Sie {protocol} in den Einstellungen von {} ein; in einer Firma muss es auch der \
             Administrator erlauben („Apps“, „Gmail“, „Endnutzerzugriff“):",
            shown(mailbox)
        )
    } else {
        format!("Schalten Sie {protocol} für {} ein:", shown(mailbox))
    }
}
