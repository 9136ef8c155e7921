//! One log line for each message that an upstream has accepted or refused: the envelope, never the
//! content. The hard thing is that an administrator must find a lost message by it: who sent it, to
//! whom, how large, and what the provider calls it.

use tracing::{info, warn};

use super::Client;
use crate::{config::AccountConfig, proto::Delivery};

impl Client {
    /// What a relay calls for each message.
    pub(super) fn delivery_log(
        &self,
        account: &AccountConfig,
    ) -> Box<dyn FnMut(Delivery) + Send + 'static> {
        let (connection, account) = (self.number, account.login.clone());
        Box::new(move |delivery| tell(connection, &account, &delivery))
    }
}

fn tell(connection: u64, account: &str, delivery: &Delivery) {
    let Delivery { sender, accepted, refused, octets, code, queue_id, words, .. } = delivery;
    let recipients = recipients(delivery);
    if (200..300).contains(code) {
        info!(
            connection,
            account,
            from = sender,
            to = recipients,
            accepted,
            refused = (*refused > 0).then_some(refused),
            octets,
            queue_id,
            "sent",
        );
    } else {
        warn!(
            connection,
            account,
            from = sender,
            to = recipients,
            accepted,
            refused = (*refused > 0).then_some(refused),
            octets,
            "not sent: the mail server answered {code} {words}",
        );
    }
}

/// The recipients by name, and how many more there are.
fn recipients(delivery: &Delivery) -> String {
    let mut list = delivery.recipients.join(", ");
    let named = u64::try_from(delivery.recipients.len()).unwrap_or(u64::MAX);
    let more = delivery.accepted.saturating_sub(named);
    if more > 0 {
        list += &format!(" and {more} more");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_named_and_counted() {
        let with = |names: &[&str], accepted| Delivery {
            recipients: names.iter().map(|&name| name.to_owned()).collect(),
            accepted,
            ..Delivery::default()
        };
        assert_eq!(recipients(&with(&[], 0)), "");
        assert_eq!(recipients(&with(&["a@b", "c@d"], 2)), "a@b, c@d");
        assert_eq!(recipients(&with(&["a@b"], 4)), "a@b and 3 more");
    }
}
