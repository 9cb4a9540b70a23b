// The cluster's objects, as large and as full as those of a production cluster: a pod has two containers, five conditions and what two
// managers of its fields leave behind, 5.6 KB in all; a node has thirty images.
package main

import (
	"bytes"
	"fmt"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	registry     = "602401143452.dkr.ecr.us-west-2.amazonaws.com/team/"
	instanceType = "m5.2xlarge"
	perPrefix    = 16 // addresses; a node's own ENI has three prefixes, of a short node one
)

var (
	codec = scheme.Codecs.EncoderForVersion(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), corev1.SchemeGroupVersion)
	epoch = metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	yes   = true
)

func encode(object runtime.Object) []byte {
	b, err := runtime.Encode(codec, object)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func uid(n int) types.UID { return types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n)) }

func podKey(p *corev1.Pod) string { return "/registry/pods/" + p.Namespace + "/" + p.Name }

func nodeName(i int) string {
	return fmt.Sprintf("ip-10-%d-%d-%d.us-west-2.compute.internal", i/65536, i/256%256, i%256)
}

func isShort(s size, i int) bool { return i >= s.nodes-s.short }

func zone(s size, i int) string {
	if isShort(s, i) {
		return "d"
	}
	return string("abc"[i%3])
}

// nodeOf spreads the pods: one for each address of the short nodes, the rest evenly over the others.
func nodeOf(s size, i int) int {
	if i < s.short*perPrefix {
		return s.nodes - s.short + i%s.short
	}
	return i % (s.nodes - s.short)
}

// managed is what a manager of fields leaves behind, of about n bytes.
func managed(manager string, n int) metav1.ManagedFieldsEntry {
	raw := []byte(`{"f:metadata":{"f:labels":{`)
	for k := 0; len(raw) < n; k++ {
		raw = fmt.Appendf(raw, `"f:some.label.example.com/key-%d":{},`, k)
	}
	raw = append(raw[:len(raw)-1], "}}}"...)
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: "Update", APIVersion: "v1", Time: &epoch, FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{Raw: raw}}
}

func node(s size, i int) *corev1.Node {
	name, az := nodeName(i), "us-west-2"+zone(s, i)
	resources := corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("32Gi"),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("100Gi")}
	var images []corev1.ContainerImage
	for k := 0; k < 30; k++ {
		images = append(images, corev1.ContainerImage{SizeBytes: int64(1000000 * k), Names: []string{
			fmt.Sprintf("%sservice-%d@sha256:%064x", registry, k, k), fmt.Sprintf("%sservice-%d:v1.2.%d", registry, k, k)}})
	}
	var conditions []corev1.NodeCondition
	for _, t := range []corev1.NodeConditionType{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"} {
		status := corev1.ConditionFalse
		if t == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		conditions = append(conditions, corev1.NodeCondition{Type: t, Status: status, LastHeartbeatTime: epoch, LastTransitionTime: epoch,
			Reason: "KubeletReports", Message: "kubelet is posting this status of its node"})
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid(i), CreationTimestamp: epoch,
			Labels: map[string]string{"topology.kubernetes.io/zone": az, "topology.kubernetes.io/region": "us-west-2",
				"node.kubernetes.io/instance-type": instanceType, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
				"kubernetes.io/hostname": name, "eks.amazonaws.com/nodegroup": "workers", "karpenter.sh/nodepool": "default",
				"karpenter.sh/capacity-type": "on-demand", "beta.kubernetes.io/arch": "amd64"},
			Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true",
				"csi.volume.kubernetes.io/nodeid": fmt.Sprintf(`{"ebs.csi.aws.com":"%s"}`, instance(i))},
			ManagedFields: []metav1.ManagedFieldsEntry{managed("kubelet", 900)}},
		Spec: corev1.NodeSpec{ProviderID: "aws:///" + az + "/" + instance(i)},
		Status: corev1.NodeStatus{Capacity: resources, Allocatable: resources, Conditions: conditions, Images: images,
			Addresses: []corev1.NodeAddress{{Type: "InternalIP", Address: fmt.Sprintf("10.%d.%d.%d", i/65536, i/256%256, i%256)},
				{Type: "Hostname", Address: name}},
			NodeInfo: corev1.NodeSystemInfo{MachineID: fmt.Sprintf("%032x", i), SystemUUID: string(uid(i)), BootID: string(uid(i)),
				KernelVersion: "6.1.102", OSImage: "Amazon Linux 2023", ContainerRuntimeVersion: "containerd://1.7.20",
				KubeletVersion: "v1.33.1", OperatingSystem: "linux", Architecture: "amd64"}}}
}

func containers(i int) (specs []corev1.Container, statuses []corev1.ContainerStatus) {
	for c := 0; c < 2; c++ {
		var env []corev1.EnvVar
		for e := 0; e < 10; e++ {
			env = append(env, corev1.EnvVar{Name: fmt.Sprintf("SERVICE_SETTING_%d", e),
				Value: fmt.Sprintf("https://service-%d.prod.svc.cluster.local:8443/api", e)})
		}
		specs = append(specs, corev1.Container{Name: fmt.Sprintf("app-%d", c), Image: registry + "service:v1.2.3", Env: env,
			Ports: []corev1.ContainerPort{{ContainerPort: 8080, Protocol: "TCP"}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"),
				"memory": resource.MustParse("128Mi")}},
			VolumeMounts:           []corev1.VolumeMount{{Name: "kube-api-access", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
			TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: "File", ImagePullPolicy: "IfNotPresent"})
		statuses = append(statuses, corev1.ContainerStatus{Name: specs[c].Name, Ready: true, Started: &yes, Image: specs[c].Image,
			ImageID:     fmt.Sprintf("%sservice@sha256:%064x", registry, i),
			ContainerID: fmt.Sprintf("containerd://%064x", i*2+c),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: epoch}}})
	}
	return specs, statuses
}

// pod i, running on a node with an address. born: the zero time for those that were always there.
func pod(i, onNode int, born time.Time) *corev1.Pod {
	created := epoch
	if !born.IsZero() {
		created = metav1.NewTime(born)
	}
	specs, statuses := containers(i)
	var conditions []corev1.PodCondition
	for _, t := range []corev1.PodConditionType{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		conditions = append(conditions, corev1.PodCondition{Type: t, Status: "True", LastTransitionTime: epoch})
	}
	ip := fmt.Sprintf("10.%d.%d.%d", 64+i/65536, i/256%256, i%256)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("service-%d-7d9c6b8f5d-%05x", i%997, i), Namespace: fmt.Sprintf("team-%d", i%50),
			UID: uid(1000000 + i), CreationTimestamp: created, GenerateName: "service-7d9c6b8f5d-",
			Labels: map[string]string{"app": fmt.Sprintf("service-%d", i%997), "pod-template-hash": "7d9c6b8f5d",
				"app.kubernetes.io/part-of": "platform", "version": "v1.2.3"},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080",
				"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Controller: &yes, BlockOwnerDeletion: &yes,
				Name: fmt.Sprintf("service-%d-7d9c6b8f5d", i%997), UID: uid(i % 997)}},
			ManagedFields: []metav1.ManagedFieldsEntry{managed("kube-controller-manager", 1200), managed("kubelet", 700)}},
		Spec: corev1.PodSpec{NodeName: nodeName(onNode), Containers: specs, RestartPolicy: "Always", DNSPolicy: "ClusterFirst",
			ServiceAccountName: "default", SchedulerName: "default-scheduler",
			Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute"},
				{Key: "node.kubernetes.io/unreachable", Operator: "Exists", Effect: "NoExecute"}},
			Volumes: []corev1.Volume{{Name: "kube-api-access", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
					LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}}}}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: conditions, HostIP: "10.0.0.1", PodIP: ip,
			PodIPs: []corev1.PodIP{{IP: ip}}, StartTime: &epoch, ContainerStatuses: statuses, QOSClass: "Burstable"}}
}

// waiting is the pod as it was before it had an address.
func waiting(p *corev1.Pod) *corev1.Pod {
	w := p.DeepCopy()
	w.Status.Phase = corev1.PodPending
	w.Status.PodIP, w.Status.PodIPs, w.Status.ContainerStatuses = "", nil, nil
	w.Status.Conditions = w.Status.Conditions[4:]
	return w
}

func agentPod(i int) *corev1.Pod {
	p := pod(2000000+i, i, time.Time{})
	p.Name, p.Namespace, p.GenerateName = fmt.Sprintf("aws-node-%05x", i), "kube-system", "aws-node-"
	p.Labels = map[string]string{"app.kubernetes.io/name": "aws-node", "k8s-app": "aws-node"}
	p.Spec.HostNetwork = true
	return p
}

func instance(i int) string { return fmt.Sprintf("i-%017x", i+1) }

// scenarioOf is the same cluster as ec2sim plays it: three zones with room, and a fourth one whose nodes' subnet is empty and has a
// sibling with room that the agents do not find by themselves.
func scenarioOf(s size) []byte {
	var b bytes.Buffer
	b.WriteString("region: us-west-2\nvpc: {id: vpc-0be0be0be0be0be00, cidrs: [10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16, 10.6.0.0/16]}\nsubnets:\n")
	for i := 0; i < 6; i++ {
		az := string("abc"[i%3])
		fmt.Fprintf(&b, "  - {id: subnet-0be0be0be0be0be0%d, name: %s%d, zone: us-west-2%s, cidr: 10.%d.0.0/16, tags: {headroom.dev/pool: pods}}\n",
			i, az, i/3, az, i)
	}
	fmt.Fprintf(&b, "  - {id: subnet-0be0be0be0be0be06, name: d0, zone: us-west-2d, cidr: 10.6.0.0/18, free: 0, tags: {headroom.dev/pool: pods}}\n")
	fmt.Fprintf(&b, "  - {id: subnet-0be0be0be0be0be07, name: d-pods, zone: us-west-2d, cidr: 10.6.64.0/18, tags: {headroom.dev/pool: pods}}\n")
	fmt.Fprintf(&b, "security_groups:\n  - {id: sg-0be0be0be0be0be00, name: nodes}\n")
	fmt.Fprintf(&b, "quotas: {enis: %d, nau: 1000000}\nallocation: lowest\ninstances:\n", 3*s.nodes)
	for i := 0; i < s.nodes; i++ {
		prefixes, half := 3, i/3%2
		if isShort(s, i) {
			prefixes, half = 1, 0
		}
		fmt.Fprintf(&b, "  - {id: %s, name: %s, type: %s, subnet: %s%d, groups: [nodes], prefixes: %d}\n",
			instance(i), nodeName(i), instanceType, zone(s, i), half, prefixes)
	}
	return b.Bytes()
}
