//! The side of the mail programs.

use std::{sync::Arc, time::UNIX_EPOCH};

use saslgate::{
    check::{Light, Report},
    control::{
        message::{ListenerStatus, ProcessStatus, ReloadReport},
        server::{ControlSocket, Handler, Work},
    },
    store::LocalPassword,
};
use tokio_util::sync::CancellationToken;

use super::{Scene, outline};

/// Answers as a daemon does.
struct Daemon;

impl Handler for Daemon {
    fn status(&self) -> Work<'_, ProcessStatus> {
        let listener = ListenerStatus { protocol: "imap".into(), address: "127.0.0.1:1143".into() };
        Box::pin(async { ProcessStatus { listeners: vec![listener], ..ProcessStatus::default() } })
    }

    fn reload(&self) -> Work<'_, ReloadReport> {
        unreachable!("a check reloads nothing")
    }

    fn changed<'a>(&'a self, _: &'a str) -> Work<'a, ()> {
        unreachable!("a check changes nothing")
    }

    fn log(&self) -> Vec<String> {
        unreachable!("a check reads no log")
    }
}

/// The step alone.
fn local(report: &Report) -> String {
    outline(report).swap_remove(1)
}

#[tokio::test]
async fn a_password_and_a_daemon_are_needed() {
    let mut scene = Scene::start().await;
    scene.options.local_side = true;
    let report = scene.check().await;
    assert_eq!(local(&report), "local_side : local_password_missing daemon_not_running");
    assert_eq!(report.light(), Light::Yellow, "nothing of it keeps the rest from being green");

    let password = LocalPassword {
        name: "phone".into(),
        digest: [7; 32],
        created: UNIX_EPOCH,
        limits: Default::default(),
        last_used: None,
    };
    scene.store.password_salt(&scene.account.key(), [7; 16]).await.unwrap();
    scene.store.write_local_password(&scene.account.key(), &password).await.unwrap();
    assert_eq!(local(&scene.check().await), "local_side : daemon_not_running");

    let socket = ControlSocket::bind(scene.folder.path()).unwrap().unwrap();
    let stop = CancellationToken::new();
    let daemon = tokio::spawn(socket.serve(Arc::new(Daemon), stop.clone()));
    let report = scene.check().await;
    assert_eq!(local(&report), "local_side : local_side_good");
    let found = serde_json::to_value(&report.steps[1].findings[0]).unwrap();
    assert_eq!(found["listeners"][0], "imap 127.0.0.1:1143");
    assert_eq!(found["passwords"], 1);
    stop.cancel();
    daemon.await.unwrap();
    scene.provider.stop().await;
}
