//! From root to a user without rights. The hard thing is that it must be whole or not at all: user, groups, every
//! thread, and no way back, seen and not assumed. It happens before the runtime starts, while we are one thread.

use std::{fmt, path::Path};

use crate::config::ServiceConfig;

/// Whom a daemon that was started as root becomes.
#[derive(Clone, Debug)]
pub struct Plan {
    user: String,
    #[cfg(unix)]
    uid: u32,
    #[cfg(unix)]
    gid: u32,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)
    }
}

/// What the start is to do about privileges.
#[derive(Debug)]
pub enum Start {
    /// Nothing.
    AsItIs,
    /// Nothing, but say this.
    Warn(String),
    /// Become this user once ports and secrets are open.
    Drop(Plan),
}

#[cfg(unix)]
pub use self::unix::{drop_to, give_state_folder, plan};

#[cfg(unix)]
mod unix {
    use std::{
        ffi::CString,
        fs::{self, File},
        io,
        os::unix::fs::{MetadataExt as _, fchown},
    };

    use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getuid, setgid, setuid};

    use super::{Path, Plan, ServiceConfig, Start};
    use crate::platform;

    /// Judges who we are and who we are to be.
    ///
    /// # Errors
    /// There is no such user or group, or it is root again.
    pub fn plan(config: &ServiceConfig) -> Result<Start, String> {
        let Some(user) = &config.user else {
            let text = "running as root, which nothing here needs once the ports are open: set user = \
                        \"saslgate\" under [service], or User= in the systemd unit";
            return Ok(if geteuid().is_root() { Start::Warn(text.into()) } else { Start::AsItIs });
        };
        let plan = look_up(user, config.group.as_deref())?;
        if geteuid().is_root() {
            return Ok(Start::Drop(plan));
        }
        if geteuid().as_raw() == plan.uid {
            return Ok(Start::AsItIs);
        }
        Ok(Start::Warn(format!(
            "[service] user = \"{user}\" has no effect: only a start as root can become another user"
        )))
    }

    fn look_up(user: &str, group: Option<&str>) -> Result<Plan, String> {
        let fault = |error| format!("[service]: users and groups cannot be looked up: {error}");
        let known = User::from_name(user).map_err(fault)?.ok_or_else(|| {
            format!(
                "[service] user: there is no user \"{user}\" here: make one with `useradd --system \
                 --user-group {user}`, or name another"
            )
        })?;
        let gid = match group {
            None => known.gid,
            Some(group) => {
                let known = Group::from_name(group).map_err(fault)?;
                known
                    .ok_or_else(|| format!("[service] group: there is no group \"{group}\" here"))?
                    .gid
            }
        };
        if known.uid.is_root() || gid.as_raw() == 0 {
            return Err(format!(
                "[service] user = \"{user}\" is root or of its group: name a user without rights"
            ));
        }
        Ok(Plan { user: user.to_owned(), uid: known.uid.as_raw(), gid: gid.as_raw() })
    }

    /// Makes the state folder for the user, if there is none yet; root alone may be able to.
    ///
    /// # Errors
    /// The operating system's.
    pub fn give_state_folder(folder: &Path, plan: &Plan) -> io::Result<()> {
        match fs::symlink_metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Whose it is, is for who made it to decide; the store says so if it is not ours.
            other => return other.map(|_| ()),
        }
        platform::create_private_folder(folder)?;
        let made = File::open(folder)?;
        // Another's folder in its place would not be root's.
        if made.metadata()?.uid() == 0 {
            fchown(made, Some(plan.uid), Some(plan.gid))?;
        }
        Ok(())
    }

    /// Becomes the user, for good.
    ///
    /// # Errors
    /// Something of it failed: whoever gets this must not go on.
    pub fn drop_to(plan: &Plan) -> Result<(), String> {
        let (uid, gid) = (Uid::from_raw(plan.uid), Gid::from_raw(plan.gid));
        let fault = |step: &'static str| {
            move |error| format!("cannot become the user {}: {step}: {error}", plan.user)
        };
        let name = CString::new(plan.user.as_str())
            .map_err(|_| format!("{:?} is not a user's name", plan.user))?;
        set_groups(&name, gid).map_err(fault("its groups"))?;
        setgid(gid).map_err(fault("its group"))?;
        setuid(uid).map_err(fault("its id"))?;
        let now = (getuid(), geteuid(), getgid(), getegid());
        if now != (uid, uid, gid, gid) || setuid(Uid::from_raw(0)).is_ok() {
            return Err(format!("root's rights are still there after becoming {}", plan.user));
        }
        // A change of user sets it anew, by a setting of the system.
        platform::keep_private()?;
        Ok(())
    }

    /// The user's other groups are kept: one of them may be what opens a TLS key.
    #[cfg(not(target_vendor = "apple"))]
    fn set_groups(user: &std::ffi::CStr, group: Gid) -> nix::Result<()> {
        nix::unistd::initgroups(user, group)
    }

    /// There `launchd` does it, with `UserName` in the service's property list.
    #[cfg(target_vendor = "apple")]
    fn set_groups(_: &std::ffi::CStr, _: Gid) -> nix::Result<()> {
        Err(nix::Error::ENOSYS)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn plan_for(user: Option<&str>, group: Option<&str>) -> Result<Start, String> {
            let [user, group] = [user, group].map(|it| it.map(str::to_owned));
            plan(&ServiceConfig { user, group, ..ServiceConfig::default() })
        }

        #[test]
        fn root_is_nobody_to_become() {
            let error = plan_for(Some("root"), None).unwrap_err();
            assert!(error.contains("name a user without rights"), "{error}");
            let error = plan_for(Some("daemon"), Some("root")).unwrap_err();
            assert!(error.contains("name a user without rights"), "{error}");
        }

        #[test]
        fn who_is_not_there_is_named() {
            let error = plan_for(Some("no-such-user"), None).unwrap_err();
            assert!(error.contains("useradd --system --user-group no-such-user"), "{error}");
            let error = plan_for(Some("daemon"), Some("no-such-group")).unwrap_err();
            assert!(error.contains("there is no group \"no-such-group\""), "{error}");
        }

        #[test]
        fn who_is_root_hears_so_and_others_hear_that_they_cannot_change() {
            let (nobody_named, daemon_named) =
                (plan_for(None, None), plan_for(Some("daemon"), None));
            if geteuid().is_root() {
                assert!(matches!(nobody_named, Ok(Start::Warn(text)) if text.contains("as root")));
                assert!(matches!(daemon_named, Ok(Start::Drop(plan)) if plan.uid != 0));
            } else {
                assert!(matches!(nobody_named, Ok(Start::AsItIs)));
                assert!(
                    matches!(daemon_named, Ok(Start::Warn(text)) if text.contains("no effect"))
                );
            }
        }

        #[test]
        fn a_state_folder_is_made_for_the_user_and_another_is_left_alone() {
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().join("state");
            let me = fs::metadata(folder.path()).unwrap();
            let (uid, gid) = if me.uid() == 0 { (4242, 4243) } else { (me.uid(), me.gid()) };
            let plan = Plan { user: "somebody".into(), uid, gid };
            give_state_folder(&state, &plan).unwrap();
            let made = fs::metadata(&state).unwrap();
            assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (uid, gid, 0o700));
            give_state_folder(folder.path(), &plan).unwrap();
            assert_eq!(fs::metadata(folder.path()).unwrap().uid(), me.uid());
        }
    }
}

/// Only Unix has a root to come from.
#[cfg(not(unix))]
mod elsewhere {
    use std::io;

    use super::{Path, Plan, ServiceConfig, Start};

    /// Judges who we are to be.
    ///
    /// # Errors
    /// None.
    pub fn plan(config: &ServiceConfig) -> Result<Start, String> {
        Ok(match config.user {
            None => Start::AsItIs,
            Some(_) => Start::Warn("[service] user has no effect on this system".into()),
        })
    }

    /// Nothing to do.
    ///
    /// # Errors
    /// None.
    pub fn give_state_folder(_: &Path, _: &Plan) -> io::Result<()> {
        Ok(())
    }

    /// Never called: [`plan`] plans no such thing.
    ///
    /// # Errors
    /// Always.
    pub fn drop_to(plan: &Plan) -> Result<(), String> {
        Err(format!("cannot become {plan} on this system"))
    }
}

#[cfg(not(unix))]
pub use self::elsewhere::{drop_to, give_state_folder, plan};
