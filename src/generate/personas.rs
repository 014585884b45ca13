//! What each principal does: its credentials, its working hours, where it calls from, and its calls with their weights.

use super::acts::Place;
use super::estate::{BRANCH, CORP, LAB, Organization, PILOT, SHARED_EUROPE};
use super::principals::Principal;
use super::roster::{
    ALICE, AUDITOR, BJORN, CHLOE, DARIO, DEPROVISIONER, DEVICES, ERIN, EXPORTER, FILTER, FRANK, GRETA, HR_SYNC, IDENTITY_AUDITOR, IVY,
    JONAS, LENA, MIGRATION, OMAR, OPS, POSTMASTER, PROVISIONER, RUNNER, SANDBOX, SHARED_SSO_VIEWER, SSO_ADMIN, SSO_VIEWER, TEST_AUDITOR,
    TEST_SSO_ADMIN,
};

/// How a principal is authenticated.
#[derive(Debug)]
pub(super) enum Credential {
    LongTermKey,
    Console {
        mfa: bool,
    },
    /// `GetSessionToken` with MFA.
    SessionToken,
    /// `AssumeRole` by another principal.
    Assumed {
        by: &'static Principal<'static>,
        mfa: bool,
    },
    /// Identity Center, in the console.
    PermissionSet,
    Lambda,
    Instance,
}

/// When a principal works.
#[derive(Clone, Copy, Debug)]
pub(super) enum Calendar {
    Always,
    Office,
    /// In the office hours up to a day of the window.
    OfficeUntil(u64),
    /// In the office hours of some days of every month.
    OfficeOnDays(u64, u64),
}

/// A principal at work.
#[derive(Debug)]
pub(super) struct Persona {
    pub(super) principal: &'static Principal<'static>,
    pub(super) credential: Credential,
    /// Role session names.
    pub(super) sessions: &'static [&'static str],
    pub(super) places: &'static [Place],
    pub(super) organizations: &'static [&'static Organization],
    pub(super) calendar: Calendar,
    /// How often an episode is one of this persona.
    pub(super) weight: u32,
    /// Fewest and most calls of an episode.
    pub(super) calls: (u32, u32),
    /// The name of its calls in the data file.
    pub(super) repertoire: &'static str,
}

use super::acts::Place::{Cloud, ConsoleProxy, Endpoint, Home, Office, OfficeV6};

const PERSONA: Persona = Persona {
    principal: &ALICE,
    credential: Credential::LongTermKey,
    sessions: &[""],
    places: &[Office, Office, Office, OfficeV6],
    organizations: &[&CORP, &CORP, &CORP, &BRANCH],
    calendar: Calendar::Office,
    weight: 4,
    calls: (3, 8),
    repertoire: "nothing",
};
const CONSOLE: &[Place] = &[Office, Office, Office, OfficeV6, ConsoleProxy];

/// Everyone who works in the estate.
pub(super) static PERSONAS: [Persona; 30] = [
    Persona { credential: Credential::Console { mfa: true }, places: CONSOLE, repertoire: "owner", weight: 5, ..PERSONA },
    Persona {
        principal: &OPS,
        credential: Credential::Assumed { by: &ALICE, mfa: true },
        sessions: &["alice@example.com"],
        repertoire: "domain clean-up",
        weight: 3,
        ..PERSONA
    },
    Persona {
        principal: &OPS,
        credential: Credential::Assumed { by: &OMAR, mfa: false },
        sessions: &["omar@example.com"],
        places: &[Office, Office, Home],
        repertoire: "administrator",
        weight: 6,
        ..PERSONA
    },
    Persona {
        principal: &OPS,
        credential: Credential::Assumed { by: &OMAR, mfa: false },
        sessions: &["omar@example.com"],
        repertoire: "operations without mfa",
        weight: 1,
        calls: (2, 4),
        ..PERSONA
    },
    Persona {
        principal: &BJORN,
        credential: Credential::Console { mfa: false },
        places: CONSOLE,
        repertoire: "helpdesk",
        weight: 12,
        ..PERSONA
    },
    Persona { principal: &CHLOE, credential: Credential::SessionToken, repertoire: "helpdesk", weight: 9, ..PERSONA },
    Persona { principal: &FRANK, calendar: Calendar::OfficeUntil(55), repertoire: "helpdesk", weight: 4, ..PERSONA },
    Persona { principal: &DARIO, places: &[Office, Home], repertoire: "reader by key", weight: 5, ..PERSONA },
    Persona {
        principal: &ERIN,
        credential: Credential::Console { mfa: true },
        places: CONSOLE,
        repertoire: "viewer",
        weight: 8,
        ..PERSONA
    },
    Persona {
        principal: &ERIN,
        credential: Credential::Console { mfa: true },
        repertoire: "curious reader",
        weight: 1,
        calls: (2, 3),
        ..PERSONA
    },
    Persona {
        principal: &JONAS,
        credential: Credential::Console { mfa: true },
        places: CONSOLE,
        repertoire: "mail flow",
        weight: 5,
        ..PERSONA
    },
    Persona {
        principal: &POSTMASTER,
        credential: Credential::Console { mfa: false },
        places: &[Office, Home, ConsoleProxy],
        repertoire: "postmaster",
        weight: 5,
        ..PERSONA
    },
    Persona { principal: &HR_SYNC, calendar: Calendar::Always, places: &[Cloud], repertoire: "hr sync", weight: 2, ..PERSONA },
    Persona {
        principal: &PROVISIONER,
        credential: Credential::Assumed { by: &RUNNER, mfa: false },
        sessions: &["onboarding"],
        places: &[Cloud, Cloud, Endpoint],
        organizations: &[&CORP],
        repertoire: "onboarding",
        weight: 10,
        calls: (4, 10),
        ..PERSONA
    },
    Persona {
        principal: &PROVISIONER,
        credential: Credential::Assumed { by: &RUNNER, mfa: false },
        sessions: &["onboarding-rollback"],
        places: &[Cloud],
        organizations: &[&CORP],
        repertoire: "onboarding rollback",
        weight: 1,
        calls: (2, 4),
        ..PERSONA
    },
    Persona {
        principal: &DEPROVISIONER,
        credential: Credential::Assumed { by: &RUNNER, mfa: false },
        sessions: &["offboarding"],
        places: &[Cloud],
        repertoire: "offboarding",
        weight: 4,
        ..PERSONA
    },
    Persona {
        principal: &MIGRATION,
        credential: Credential::Assumed { by: &OMAR, mfa: false },
        sessions: &["omar@example.com"],
        organizations: &[&CORP],
        calendar: Calendar::OfficeUntil(45),
        repertoire: "onboarding",
        weight: 8,
        ..PERSONA
    },
    Persona {
        principal: &SSO_ADMIN,
        credential: Credential::PermissionSet,
        sessions: &["priya@example.com", "tomas@example.com"],
        places: &[Office, Office, Office, OfficeV6, Home, ConsoleProxy],
        repertoire: "administrator in the console",
        weight: 9,
        ..PERSONA
    },
    Persona {
        principal: &SSO_ADMIN,
        credential: Credential::PermissionSet,
        sessions: &["tomas@example.com"],
        places: CONSOLE,
        repertoire: "console without mfa",
        weight: 1,
        calls: (2, 4),
        ..PERSONA
    },
    Persona {
        principal: &SSO_VIEWER,
        credential: Credential::PermissionSet,
        sessions: &["nina@example.com", "paul@example.com", "sofia@example.com"],
        places: CONSOLE,
        repertoire: "colleague",
        weight: 9,
        ..PERSONA
    },
    Persona {
        principal: &SHARED_SSO_VIEWER,
        credential: Credential::PermissionSet,
        sessions: &["nina@example.com"],
        places: CONSOLE,
        organizations: &[&SHARED_EUROPE],
        repertoire: "shared viewer",
        weight: 2,
        ..PERSONA
    },
    Persona {
        principal: &FILTER,
        credential: Credential::Lambda,
        sessions: &["message-filter"],
        places: &[Cloud],
        organizations: &[&CORP],
        calendar: Calendar::Always,
        repertoire: "message filter",
        weight: 12,
        calls: (5, 14),
    },
    Persona {
        principal: &EXPORTER,
        credential: Credential::Assumed { by: &RUNNER, mfa: false },
        sessions: &["monthly-export"],
        places: &[Cloud],
        organizations: &[&CORP],
        calendar: Calendar::OfficeOnDays(1, 4),
        repertoire: "export",
        weight: 30,
        ..PERSONA
    },
    Persona {
        principal: &DEVICES,
        credential: Credential::Assumed { by: &LENA, mfa: false },
        sessions: &["lena@example.com"],
        repertoire: "devices",
        weight: 4,
        ..PERSONA
    },
    Persona {
        principal: &AUDITOR,
        credential: Credential::Assumed { by: &IDENTITY_AUDITOR, mfa: false },
        sessions: &["ivy@example.com"],
        calendar: Calendar::OfficeOnDays(10, 13),
        repertoire: "audit",
        weight: 30,
        ..PERSONA
    },
    Persona {
        principal: &TEST_AUDITOR,
        credential: Credential::Assumed { by: &IDENTITY_AUDITOR, mfa: false },
        sessions: &["ivy@example.com"],
        organizations: &[&LAB, &PILOT],
        calendar: Calendar::OfficeOnDays(10, 13),
        repertoire: "viewer",
        weight: 8,
        ..PERSONA
    },
    Persona {
        principal: &GRETA,
        places: &[Office, OfficeV6],
        organizations: &[&LAB, &LAB, &PILOT],
        repertoire: "laboratory",
        weight: 4,
        ..PERSONA
    },
    Persona {
        principal: &SANDBOX,
        credential: Credential::Instance,
        sessions: &["i-0c4be58a17d2f9630"],
        places: &[Cloud, Endpoint, Endpoint],
        organizations: &[&LAB, &PILOT],
        calendar: Calendar::Always,
        repertoire: "sandbox",
        weight: 2,
        ..PERSONA
    },
    Persona {
        principal: &IDENTITY_AUDITOR,
        credential: Credential::Assumed { by: &IVY, mfa: true },
        sessions: &["ivy@example.com"],
        organizations: &[&SHARED_EUROPE],
        repertoire: "security review",
        weight: 5,
        ..PERSONA
    },
    Persona {
        principal: &TEST_SSO_ADMIN,
        credential: Credential::PermissionSet,
        sessions: &["priya@example.com"],
        places: CONSOLE,
        organizations: &[&LAB, &LAB, &PILOT],
        repertoire: "laboratory administrator",
        weight: 1,
        ..PERSONA
    },
];
