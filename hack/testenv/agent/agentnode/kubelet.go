package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/aws/amazon-vpc-cni-k8s/rpc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const roundEvery = 250 * time.Millisecond

// A pod that this kubelet has met.
type played struct {
	namespace, name string
	met             time.Time
	tries           int
	ip              string
}

// One line for each pod that got its address, or was refused for the first time.
type happening struct {
	Pod     string  `json:"pod"`
	Address string  `json:"address,omitempty"`
	Refused bool    `json:"refused,omitempty"`
	Tries   int     `json:"tries"`
	WaitedS float64 `json:"waited_s"`
}

type kubelet struct {
	client kubernetes.Interface
	agent  rpc.CNIBackendClient
	node   string
	pods   map[types.UID]*played
	out    *json.Encoder
}

func (k *kubelet) tell(pod *played, refused bool) {
	_ = k.out.Encode(happening{
		Pod: pod.name, Address: pod.ip, Refused: refused, Tries: pod.tries,
		WaitedS: float64(time.Since(pod.met).Milliseconds()) / 1000,
	})
}

func (k *kubelet) serve(ctx context.Context, object *corev1.Pod, pod *played) {
	pod.tries++
	ip, err := add(ctx, k.agent, pod.namespace, pod.name)
	if err != nil || ip == "" {
		if pod.tries == 1 {
			k.tell(pod, true)
		}
		return
	}
	pod.ip = ip
	k.tell(pod, false)
	containers := []map[string]any{}
	for _, container := range object.Spec.Containers {
		containers = append(containers, map[string]any{
			"name": container.Name, "image": container.Image, "imageID": "", "ready": true, "started": true,
			"restartCount": 0, "state": map[string]any{"running": map[string]any{"startedAt": metav1.Now()}},
		})
	}
	patch, _ := json.Marshal(map[string]any{"status": map[string]any{
		"phase": "Running", "podIP": ip, "podIPs": []map[string]any{{"ip": ip}}, "startTime": metav1.Now(),
		"conditions": []map[string]any{
			{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"},
			{"type": "Initialized", "status": "True"},
		},
		"containerStatuses": containers,
	}})
	for range 20 {
		_, err = k.client.CoreV1().Pods(pod.namespace).Patch(ctx, pod.name, types.StrategicMergePatchType, patch,
			metav1.PatchOptions{}, "status")
		if err == nil {
			return
		}
		time.Sleep(roundEvery)
	}
	log.Printf("agentnode: cannot write the status of %s: %v", pod.name, err)
}

func (k *kubelet) round(ctx context.Context) {
	list, err := k.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		FieldSelector: "spec.nodeName=" + k.node, ResourceVersion: "0",
	})
	if err != nil {
		return
	}
	there := map[types.UID]bool{}
	for i := range list.Items {
		object := &list.Items[i]
		there[object.UID] = true
		if object.Spec.HostNetwork || object.DeletionTimestamp != nil {
			continue
		}
		pod := k.pods[object.UID]
		if pod == nil {
			pod = &played{namespace: object.Namespace, name: object.Name, met: time.Now()}
			k.pods[object.UID] = pod
		}
		if pod.ip == "" {
			k.serve(ctx, object, pod)
		}
	}
	for uid, pod := range k.pods {
		if !there[uid] {
			if pod.ip != "" {
				_ = del(ctx, k.agent, pod.namespace, pod.name)
			}
			delete(k.pods, uid)
		}
	}
}

func runKubelet(arguments []string) error {
	flags := flag.NewFlagSet("kubelet", flag.ExitOnError)
	socket := flags.String("socket", "", "the agent's gRPC socket")
	node := flags.String("node", "", "name of the node whose pods are played")
	kubeconfig := flags.String("kubeconfig", os.Getenv("KUBECONFIG"), "how to reach the API server")
	_ = flags.Parse(arguments)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	connection, agent, err := dial(*socket)
	if err != nil {
		return err
	}
	defer connection.Close()
	k := &kubelet{client: client, agent: agent, node: *node, pods: map[types.UID]*played{}, out: json.NewEncoder(os.Stdout)}
	for ; ; time.Sleep(roundEvery) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		k.round(ctx)
		cancel()
	}
}

func sandbox(namespace, name string) string {
	return fmt.Sprintf("sandbox-%s-%s", namespace, name)
}
