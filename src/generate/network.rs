//! Addresses, clients, endpoints: where calls come from and where they go.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::acts::Place;
use super::personas::Credential;

/// The VPC endpoint of WorkMail.
pub(super) const ENDPOINT: &str = "vpce-0a1b2c3d4e5f60718";
/// The region to which calls of global services go.
pub(super) const GLOBAL: &str = "us-east-1";
/// Whether signing in leaves a console session.
pub(super) fn is_console(credential: &Credential) -> bool {
    matches!(credential, Credential::Console { .. } | Credential::PermissionSet)
}

/// Whether calls of a service always go to one region.
pub(super) fn is_global(service: &str) -> bool {
    matches!(service, "iam" | "sts" | "route53" | "route53domains" | "organizations")
}

/// The `eventSource` of a service.
pub(super) fn source(service: &str) -> String {
    let name = if service == "cloudwatch" { "monitoring" } else { service };
    format!("{name}.amazonaws.com")
}

/// The host that clients of a service connect to.
pub(super) fn host(service: &str, region: &str) -> String {
    match service {
        "iam" | "sts" | "route53" | "organizations" => format!("{service}.amazonaws.com"),
        "cloudwatch" => format!("monitoring.{region}.amazonaws.com"),
        "ses" => format!("email.{region}.amazonaws.com"),
        _ => format!("{service}.{region}.amazonaws.com"),
    }
}

/// An address of a place.
pub(super) fn address(place: Place, rng: &mut ChaCha8Rng) -> String {
    match place {
        Place::Office => format!("203.0.113.{}", rng.random_range(10..24_u32)),
        Place::OfficeV6 => format!("2001:db8:40:{:x}::{:x}", rng.random_range(1..4_u32), rng.random_range(0x10..0x30_u32)),
        Place::Home => format!("198.51.100.{}", rng.random_range(30..60_u32)),
        Place::Cloud => format!("192.0.2.{}", rng.random_range(16..24_u32)),
        Place::Endpoint => format!("10.20.{}.{}", rng.random_range(1..4_u32), rng.random_range(4..250_u32)),
        Place::ConsoleProxy => "AWS Internal".to_owned(),
    }
}

/// A client that fits the credentials.
pub(super) fn agent(credential: &Credential, rng: &mut ChaCha8Rng) -> &'static str {
    const BROWSERS: [&str; 4] = [
        "AWS Internal",
        "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
        "AWS Internal",
    ];
    const TOOLS: [&str; 3] = [
        "aws-cli/2.28.4 md/awscrt#0.27.4 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.5 md/installer#exe md/prompt#off",
        "Boto3/1.40.9 md/Botocore#1.40.9 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython Botocore/1.40.9",
        "aws-sdk-java/2.32.19 ua/2.1 os/Linux#6.8.0 lang/java#21.0.8 md/OpenJDK_64-Bit_Server_VM md/vendor#Eclipse_Adoptium",
    ];
    const LAMBDA: &str =
        "Boto3/1.40.4 md/Botocore#1.40.4 ua/2.1 os/linux#5.10 lang/python#3.13 exec-env/AWS_Lambda_python3.13 Botocore/1.40.4";
    match credential {
        Credential::Lambda => LAMBDA,
        credential if is_console(credential) => BROWSERS.choose(rng).copied().unwrap_or_default(),
        _ => TOOLS.choose(rng).copied().unwrap_or_default(),
    }
}
