use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::attribute::{
    CLOUD_PROVIDER, CLOUD_REGION, DEPLOYMENT_ENVIRONMENT_NAME, HOST_ARCH, HOST_NAME, K8S_CLUSTER_NAME,
    K8S_NAMESPACE_NAME, K8S_POD_NAME, OS_TYPE, PROCESS_EXECUTABLE_NAME, PROCESS_PID, PROCESS_RUNTIME_NAME,
    PROCESS_RUNTIME_VERSION, SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION,
};
use uuid::Uuid;

use super::environment::{Environment, Notices};
use super::pairs::pairs;

/// Who a service is, as its telemetry says it.
///
/// Name, version and environment are defaults that `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` may change;
/// an [`attribute`](ServiceInfo::attribute) is pinned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// `service.name`.
    pub name: Cow<'static, str>,
    /// `service.version`.
    pub version: Cow<'static, str>,
    /// `deployment.environment.name`.
    pub environment: Cow<'static, str>,
    pinned: Vec<KeyValue>,
}

impl ServiceInfo {
    /// A service of this name and version.
    pub fn new(name: impl Into<Cow<'static, str>>, version: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            environment: Cow::Borrowed("development"),
            pinned: Vec::new(),
        }
    }

    /// `deployment.environment.name`, e.g. the profile's name. Default `development`.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<Cow<'static, str>>) -> Self {
        self.environment = environment.into();
        self
    }

    /// One more attribute of the resource, which no variable changes. Default none.
    #[must_use]
    pub fn attribute(mut self, attribute: KeyValue) -> Self {
        self.pinned.push(attribute);
        self
    }
}

/// Variables that say where the service runs, with what they say.
const PLACES: [(&str, &str); 5] = [
    ("CLOUD_PROVIDER", CLOUD_PROVIDER),
    ("AWS_REGION", CLOUD_REGION),
    ("K8S_CLUSTER", K8S_CLUSTER_NAME),
    ("K8S_NAMESPACE", K8S_NAMESPACE_NAME),
    ("K8S_POD", K8S_POD_NAME),
];

/// From weak to strong: what is found out, what the service says of itself, `OTEL_RESOURCE_ATTRIBUTES`,
/// `OTEL_SERVICE_NAME`, and what the code pins.
pub(super) fn resource(info: &ServiceInfo, environment: &Environment, notices: &mut Notices) -> Resource {
    let mut builder =
        Resource::builder_empty().with_schema_url(found(environment), SCHEMA_URL).with_attributes([
            KeyValue::new(SERVICE_NAME, info.name.clone()),
            KeyValue::new(SERVICE_VERSION, info.version.clone()),
            KeyValue::new(DEPLOYMENT_ENVIRONMENT_NAME, info.environment.clone()),
        ]);
    let listed = "OTEL_RESOURCE_ATTRIBUTES";
    if let Some(list) = environment.get(listed) {
        let pairs = pairs(listed, list, notices).into_iter();
        builder = builder.with_attributes(pairs.map(|(key, value)| KeyValue::new(key, value)));
    }
    if let Some(name) = environment.get("OTEL_SERVICE_NAME") {
        builder = builder.with_attribute(KeyValue::new(SERVICE_NAME, name.to_owned()));
    }
    let sdk = TelemetryResourceDetector.detect();
    let sdk = sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    builder.with_attributes(sdk).with_attributes(info.pinned.iter().cloned()).build()
}

fn found(environment: &Environment) -> Vec<KeyValue> {
    let mut found = vec![
        KeyValue::new(SERVICE_INSTANCE_ID, Uuid::new_v4().to_string()),
        KeyValue::new(HOST_NAME, gethostname::gethostname().to_string_lossy().into_owned()),
        KeyValue::new(HOST_ARCH, architecture()),
        KeyValue::new(OS_TYPE, operating_system()),
        KeyValue::new(PROCESS_PID, i64::from(std::process::id())),
        KeyValue::new(PROCESS_RUNTIME_NAME, "rustc"),
    ];
    // Written by the build script; a build that goes without it says nothing rather than something wrong.
    if let Some(version) = option_env!("SPANBOX_RUSTC_VERSION") {
        found.push(KeyValue::new(PROCESS_RUNTIME_VERSION, version));
    }
    if let Some(name) = std::env::current_exe().ok().as_deref().and_then(std::path::Path::file_name) {
        found.push(KeyValue::new(PROCESS_EXECUTABLE_NAME, name.to_string_lossy().into_owned()));
    }
    for (variable, attribute) in PLACES {
        if let Some(value) = environment.get(variable) {
            found.push(KeyValue::new(attribute, value.to_owned()));
        }
    }
    // HOSTNAME is the pod's name in a pod, and anything elsewhere.
    let in_pod = environment.get("KUBERNETES_SERVICE_HOST").is_some() || environment.has_prefix("K8S_");
    if let (true, None, Some(name)) = (in_pod, environment.get("K8S_POD"), environment.get("HOSTNAME")) {
        found.push(KeyValue::new(K8S_POD_NAME, name.to_owned()));
    }
    found
}

/// Rust's name of the processor in the words of the semantic conventions.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Rust's name of the system in the words of the semantic conventions.
fn operating_system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    fn built(info: &ServiceInfo, variables: &[(&str, &str)]) -> Resource {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        resource(info, &environment, &mut Notices::default())
    }

    fn get(resource: &Resource, key: &'static str) -> Option<String> {
        resource.get(&Key::new(key)).map(|value| value.to_string())
    }

    fn info() -> ServiceInfo {
        ServiceInfo::new("orders", "1.2.3").environment("production")
    }

    #[test]
    fn says_who_and_where_the_service_is() {
        let resource = built(&info(), &[]);
        assert_eq!(get(&resource, "service.name").as_deref(), Some("orders"));
        assert_eq!(get(&resource, "service.version").as_deref(), Some("1.2.3"));
        assert_eq!(get(&resource, "deployment.environment.name").as_deref(), Some("production"));
        assert_eq!(get(&resource, "process.pid"), Some(std::process::id().to_string()));
        assert_eq!(get(&resource, "telemetry.sdk.language").as_deref(), Some("rust"));
        for key in ["service.instance.id", "host.name", "host.arch", "os.type", "process.executable.name"] {
            assert!(get(&resource, key).is_some_and(|value| !value.is_empty()), "{key}");
        }
        assert!(get(&resource, "process.runtime.version").is_some_and(|version| version.starts_with("1.")));
        assert_eq!(get(&resource, "deployment.environment"), None, "deprecated");
    }

    #[test]
    fn two_instances_have_two_ids() {
        assert_ne!(
            get(&built(&info(), &[]), "service.instance.id"),
            get(&built(&info(), &[]), "service.instance.id")
        );
    }

    #[test]
    fn the_name_variable_beats_the_attribute_list_and_that_beats_the_code() {
        let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=listed,service.version=9,team=a%2Cb,junk");
        let resource = built(&info(), &[list]);
        assert_eq!(get(&resource, "service.name").as_deref(), Some("listed"));
        assert_eq!(get(&resource, "service.version").as_deref(), Some("9"));
        assert_eq!(get(&resource, "team").as_deref(), Some("a,b"));
        let resource = built(&info(), &[list, ("OTEL_SERVICE_NAME", "named")]);
        assert_eq!(get(&resource, "service.name").as_deref(), Some("named"));
    }

    #[test]
    fn a_pinned_attribute_beats_the_variables() {
        let info = info().attribute(KeyValue::new("team", "pinned"));
        let resource = built(&info, &[("OTEL_RESOURCE_ATTRIBUTES", "team=listed")]);
        assert_eq!(get(&resource, "team").as_deref(), Some("pinned"));
    }

    #[test]
    fn the_cloud_and_the_cluster_come_from_their_variables() {
        let resource = built(
            &info(),
            &[
                ("CLOUD_PROVIDER", "aws"),
                ("AWS_REGION", "eu-west-1"),
                ("K8S_CLUSTER", "main"),
                ("HOSTNAME", "p-1"),
            ],
        );
        assert_eq!(get(&resource, "cloud.provider").as_deref(), Some("aws"));
        assert_eq!(get(&resource, "cloud.region").as_deref(), Some("eu-west-1"));
        assert_eq!(get(&resource, "k8s.cluster.name").as_deref(), Some("main"));
        assert_eq!(get(&resource, "k8s.pod.name").as_deref(), Some("p-1"));
    }

    #[test]
    fn the_host_is_a_pod_only_in_kubernetes() {
        assert_eq!(get(&built(&info(), &[("HOSTNAME", "laptop")]), "k8s.pod.name"), None);
        let resource = built(&info(), &[("HOSTNAME", "p-1"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(get(&resource, "k8s.pod.name").as_deref(), Some("p-1"));
    }
}
