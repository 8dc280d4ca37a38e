//! The manifests: what their containers are given, and how they fit together. `app/tests/deploy.sh` holds them against the
//! schemas of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use spanbox::config::{ManagementSettings, ServerSettings, TelemetrySettings};

use super::environment::{Variables, assert_settings, of_image, sample};
use super::{documents, everywhere, is_pinned, is_secret, names, texts, yaml};

const BASE: &str = "kubernetes/base";
const PRODUCTION: &str = "kubernetes/overlays/production";

/// The files that a kustomization lists.
fn listed(directory: &str) -> Vec<String> {
    texts(&yaml(&format!("{directory}/kustomization.yaml"))["resources"])
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// All that is deployed in production, before the overlay changes it.
fn manifests() -> Vec<Value> {
    let of = |directory: &str| -> Vec<Value> {
        let files = listed(directory).into_iter().filter(|file| file.ends_with(".yaml"));
        files.flat_map(|file| documents(&format!("{directory}/{file}"))).collect()
    };
    [of(BASE), of(PRODUCTION)].concat()
}

fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let found: Vec<_> = manifests.iter().filter(|manifest| manifest["kind"] == kind).collect();
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

fn name(manifest: &Value) -> &str {
    manifest["metadata"]["name"].as_str().unwrap()
}

/// Everything that makes Pods.
fn workloads(manifests: &[Value]) -> Vec<&Value> {
    let mut workloads = of_kind(manifests, "Deployment");
    workloads.extend(of_kind(manifests, "Job"));
    assert_eq!(
        workloads.iter().map(|it| name(it)).collect::<Vec<_>>(),
        ["orders", "orders-worker", "orders-migrate"]
    );
    workloads
}

fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]
}

/// The only container of a workload's Pods.
fn container(workload: &Value) -> &Value {
    let containers = pod(workload)["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{}", name(workload));
    &containers[0]
}

/// Whether all labels of a selector are among those of a Pod.
fn selects(selector: &Value, workload: &Value) -> bool {
    let labels = &pod(workload)["metadata"]["labels"];
    selector.as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value)
}

/// What the generators put into the ConfigMap of variables.
fn generated(directories: &[&str]) -> Variables {
    let mut variables = Variables::new();
    for directory in directories {
        let generators = yaml(&format!("{directory}/kustomization.yaml"))["configMapGenerator"].clone();
        let generators = generators.as_array().unwrap();
        assert_eq!(
            generators.iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(),
            ["orders-environment"]
        );
        let literals =
            texts(&generators[0]["literals"]).into_iter().map(|literal| literal.split_once('=').unwrap());
        variables.extend(literals.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    variables
}

/// The variables of a container, with samples of what comes from the Secret and of what Kubernetes says.
fn environment(workload: &Value, directories: &[&str]) -> Variables {
    let container = container(workload);
    assert_eq!(texts_of(&everywhere(&container["envFrom"], "name")), ["orders-environment"]);
    let mut variables = of_image();
    variables.extend(generated(directories));
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        assert!(
            variable["value"].is_null(),
            "{name} is the same in all containers: the ConfigMap is for such"
        );
        variables.insert(name.to_owned(), sample(name).unwrap_or_else(|| panic!("{name}")).to_owned());
    }
    variables
}

fn texts_of<'a>(values: &[&'a Value]) -> Vec<&'a str> {
    values.iter().filter_map(|value| value.as_str()).collect()
}

fn probe_timeouts(container: &Value) -> BTreeMap<&str, u64> {
    let probes = ["startupProbe", "livenessProbe", "readinessProbe"];
    probes.iter().map(|probe| (*probe, container[*probe]["timeoutSeconds"].as_u64().unwrap())).collect()
}

#[test]
fn each_process_starts_with_what_it_is_given_and_all_of_it_does_something() {
    let manifests = manifests();
    for workload in workloads(&manifests) {
        for directories in [&[BASE][..], &[BASE, PRODUCTION]] {
            let ready = assert_settings(name(workload), &environment(workload, directories));
            let server: ServerSettings = ready.config().get().unwrap();
            let telemetry: TelemetrySettings = ready.config().get().unwrap();
            let management: ManagementSettings = ready.config().get().unwrap();
            if workload["kind"] == "Job" {
                continue;
            }
            let before = &container(workload)["lifecycle"]["preStop"]["sleep"]["seconds"];
            let before = Duration::from_secs(before.as_u64().unwrap_or_default());
            let needed = before + server.shutdown_grace + telemetry.flush_timeout + Duration::from_secs(2);
            let grace = pod(workload)["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(Duration::from_secs(grace) > needed, "{}: {needed:?}", name(workload));
            assert_eq!(management.address, "0.0.0.0", "probes and Prometheus come from elsewhere");
            for port in container(workload)["ports"].as_array().unwrap() {
                let expected = if port["name"] == "http" { server.port } else { management.port };
                assert_eq!(port["containerPort"], expected, "{}", name(workload));
            }
        }
    }
}

#[test]
fn every_file_is_listed_and_every_listed_one_is_there() {
    for directory in [BASE, PRODUCTION] {
        for entry in listed(directory) {
            let path = super::root().join("deploy").join(directory).join(&entry);
            let there = if entry.ends_with(".yaml") {
                path.is_file()
            } else {
                path.join("kustomization.yaml").is_file()
            };
            assert!(there, "{directory}/kustomization.yaml lists {entry}");
        }
        for file in super::file_names(directory) {
            let file = Path::new(&file).file_name().unwrap().to_str().unwrap();
            assert!(
                file == "kustomization.yaml" || listed(directory).iter().any(|it| it == file),
                "{directory}/{file}"
            );
        }
    }
    // The files of settings of the profile, as the image has them.
    let config = yaml("../config/kustomization.yaml");
    let generator = &config["configMapGenerator"][0];
    assert_eq!(generator["name"], "orders-config");
    assert_eq!(texts(&generator["files"]), ["default.toml", "production.toml"]);
    texts(&generator["files"])
        .iter()
        .for_each(|file| assert!(super::root().join("config").join(file).is_file(), "{file}"));
}

#[test]
fn what_is_selected_by_labels_is_there() {
    let manifests = manifests();
    let workloads = workloads(&manifests);
    let deployments = of_kind(&manifests, "Deployment");
    for deployment in &deployments {
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], pod(deployment)["metadata"]["labels"]);
        for spread in pod(deployment)["spec"]["topologySpreadConstraints"].as_array().unwrap() {
            assert_eq!(spread["labelSelector"]["matchLabels"], pod(deployment)["metadata"]["labels"]);
        }
    }
    let one = |selector: &Value, by: &Value| {
        assert!(!names(selector).is_empty(), "{}", name(by));
        let selected: Vec<_> =
            deployments.iter().filter(|deployment| selects(selector, deployment)).collect();
        assert_eq!(selected.len(), 1, "{} {} selects {selected:?}", by["kind"], name(by));
        name(selected[0])
    };
    let budgets = of_kind(&manifests, "PodDisruptionBudget");
    let covered: Vec<_> =
        budgets.iter().map(|budget| one(&budget["spec"]["selector"]["matchLabels"], budget)).collect();
    assert_eq!(covered, ["orders", "orders-worker"]);
    for service in of_kind(&manifests, "Service") {
        assert_eq!(one(&service["spec"]["selector"], service), "orders");
        let ports = everywhere(&container(deployments[0])["ports"], "name");
        assert!(everywhere(&service["spec"]["ports"], "targetPort").iter().all(|port| ports.contains(port)));
    }
    let scalers = of_kind(&manifests, "HorizontalPodAutoscaler");
    for (scaler, deployment) in scalers.iter().zip(&deployments) {
        assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], name(deployment));
        assert_eq!(scaler["spec"]["scaleTargetRef"]["kind"], "Deployment");
        // Who says how many there are is the scaler alone.
        assert!(deployment["spec"]["replicas"].is_null());
        assert!(
            scaler["spec"]["minReplicas"].as_u64().unwrap() >= 2,
            "one that is replaced must not be the last"
        );
    }
    assert_eq!(scalers.len(), deployments.len());
    for policy in of_kind(&manifests, "NetworkPolicy") {
        let selector = &policy["spec"]["podSelector"]["matchLabels"];
        let selected: Vec<_> = workloads.iter().filter(|workload| selects(selector, workload)).collect();
        assert!(!selected.is_empty(), "{} is for nobody", name(policy));
        for port in everywhere(&policy["spec"]["ingress"], "port").into_iter().filter_map(Value::as_str) {
            let has = |workload: &&&Value| {
                texts_of(&everywhere(&container(workload)["ports"], "name")).contains(&port)
            };
            assert!(selected.iter().any(has), "{}: nobody has the port {port}", name(policy));
        }
    }
    let monitor = yaml("kubernetes/monitoring/pod-monitor.yaml");
    let scraped = |workload: &&&Value| selects(&monitor["spec"]["selector"]["matchLabels"], workload);
    assert_eq!(deployments.iter().filter(scraped).count(), deployments.len());
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], "management");
    let label = monitor["spec"]["jobLabel"].as_str().unwrap();
    assert_eq!(pod(deployments[0])["metadata"]["labels"][label], "orders", "alerts and dashboard go by it");
}

#[test]
fn nothing_comes_in_or_goes_out_but_what_has_to() {
    let manifests = manifests();
    let policies = of_kind(&manifests, "NetworkPolicy");
    let policy =
        |wanted: &str| *policies.iter().find(|it| name(it) == wanted).unwrap_or_else(|| panic!("{wanted}"));
    let deny = &policy("default-deny")["spec"];
    assert_eq!(texts(&deny["policyTypes"]), ["Ingress", "Egress"]);
    assert!(names(&deny["podSelector"]).is_empty() && deny["ingress"].is_null() && deny["egress"].is_null());
    for it in &policies {
        for rule in
            ["ingress", "egress"].iter().flat_map(|rules| it["spec"][*rules].as_array().into_iter().flatten())
        {
            let peers = if rule["from"].is_null() { &rule["to"] } else { &rule["from"] };
            assert!(
                peers.as_array().is_some_and(|peers| !peers.is_empty()),
                "{}: from or to everybody",
                name(it)
            );
            assert!(
                rule["ports"].as_array().is_some_and(|ports| !ports.is_empty()),
                "{}: every port",
                name(it)
            );
        }
    }
    assert_eq!(texts_of(&everywhere(&policy("public")["spec"]["ingress"], "port")), ["http"]);
    assert_eq!(texts_of(&everywhere(&policy("scraping")["spec"]["ingress"], "port")), ["management"]);
    let out: BTreeSet<_> = everywhere(&policy("dependencies")["spec"]["egress"], "port")
        .iter()
        .map(|port| port.as_u64().unwrap())
        .collect();
    // DNS, the collector, and those of the URLs.
    let url = |name: &str| {
        sample(name).unwrap().split(':').next_back().unwrap().split('/').next().unwrap().parse().unwrap()
    };
    let endpoint = &generated(&[BASE, PRODUCTION])["OTEL_EXPORTER_OTLP_ENDPOINT"];
    let collector = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(out, BTreeSet::from([53, collector, url("DATABASE_URL"), url("REDIS_URL")]));
}

#[test]
fn no_container_may_do_more_than_it_has_to() {
    let manifests = manifests();
    for workload in workloads(&manifests) {
        let (about, spec, container) = (name(workload), &pod(workload)["spec"], container(workload));
        assert_eq!(spec["automountServiceAccountToken"], false, "{about}");
        assert_eq!(spec["enableServiceLinks"], false, "{about}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{about}");
        // That of the Dockerfile.
        assert_eq!(spec["securityContext"]["runAsUser"], 10001, "{about}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{about}");
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{about}");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{about}");
        assert_eq!(texts(&container["securityContext"]["capabilities"]["drop"]), ["ALL"], "{about}");
        assert!(
            !container["resources"]["requests"]["cpu"].is_null(),
            "{about}: the scaler goes by its share"
        );
        assert!(!container["resources"]["limits"]["memory"].is_null(), "{about}");
        let image = container["image"].as_str().unwrap();
        assert!(
            is_pinned(image) && image == format!("orders:{}", env!("CARGO_PKG_VERSION")),
            "{about}: {image}"
        );
    }
    assert_eq!(of_kind(&manifests, "ServiceAccount")[0]["automountServiceAccountToken"], false);
    let images = yaml(&format!("{PRODUCTION}/kustomization.yaml"))["images"].clone();
    assert_eq!(images[0]["name"], "orders");
    assert_eq!(images[0]["newTag"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn each_process_is_probed_by_the_listener_for_operators() {
    let manifests = manifests();
    for deployment in of_kind(&manifests, "Deployment") {
        let container = container(deployment);
        for (probe, path) in [
            ("startupProbe", "/health/live"),
            ("livenessProbe", "/health/live"),
            ("readinessProbe", "/health/ready"),
        ] {
            assert_eq!(container[probe]["httpGet"]["path"], path, "{probe}");
            assert_eq!(container[probe]["httpGet"]["port"], "management", "{probe}");
        }
        // One check of the service takes up to two seconds.
        assert!(probe_timeouts(container)["readinessProbe"] > 2);
    }
}

#[test]
fn no_secret_is_written_down() {
    let manifests = manifests();
    assert!(manifests.iter().all(|manifest| manifest["kind"] != "Secret"));
    for (name, value) in generated(&[BASE, PRODUCTION]) {
        assert!(!is_secret(&name), "{name} is no secret: {value}");
    }
    for workload in workloads(&manifests) {
        for variable in container(workload)["env"].as_array().unwrap() {
            let from = names(&variable["valueFrom"]);
            let expected =
                if is_secret(variable["name"].as_str().unwrap()) { "secretKeyRef" } else { "fieldRef" };
            let admin = variable["name"] == "APP_ACCOUNTS__FIRST_ADMIN";
            assert!(from == [expected] || admin && from == ["secretKeyRef"], "{variable}");
        }
    }
}
