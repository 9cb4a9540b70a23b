// informer is the rival: what a controller in Go gives its users. client-go's shared informers on nodes and on the pods that hold or
// await an address of the VPC, over protobuf, with the memory-saving transform that experts add: of each object only the fields that
// planning needs are kept.
//
// Prints "synced" when both stores are whole; at each line that it reads, how many objects the stores hold; ends with its input.
// -full keeps whole objects, as who does not know better.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const selector = "spec.hostNetwork=false,spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"

func trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		// Clones, so that a name does not hold on to the whole answer that it came in.
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: strings.Clone(o.Name), Namespace: strings.Clone(o.Namespace), UID: o.UID,
				ResourceVersion: o.ResourceVersion},
			Spec:   corev1.PodSpec{NodeName: strings.Clone(o.Spec.NodeName)},
			Status: corev1.PodStatus{PodIP: strings.Clone(o.Status.PodIP), Phase: o.Status.Phase},
		}, nil
	case *corev1.Node:
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: o.Name, Labels: o.Labels, UID: o.UID, ResourceVersion: o.ResourceVersion},
			Spec:       corev1.NodeSpec{ProviderID: o.Spec.ProviderID},
		}, nil
	}
	return object, nil
}

func main() {
	log.SetFlags(0)
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "how to reach the cluster")
	full := flag.Bool("full", false, "keep whole objects")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client := kubernetes.NewForConfigOrDie(config)
	var options []informers.SharedInformerOption
	if !*full {
		options = append(options, informers.WithTransform(trim))
	}
	nodes := informers.NewSharedInformerFactoryWithOptions(client, 0, options...)
	pods := informers.NewSharedInformerFactoryWithOptions(client, 0, append(options,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))...)
	nodeInformer, podInformer := nodes.Core().V1().Nodes().Informer(), pods.Core().V1().Pods().Informer()
	stop := make(chan struct{})
	nodes.Start(stop)
	pods.Start(stop)
	cache.WaitForCacheSync(stop, nodeInformer.HasSynced, podInformer.HasSynced)
	fmt.Println("synced")
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fmt.Println(len(nodeInformer.GetStore().ListKeys()), len(podInformer.GetStore().ListKeys()))
	}
}
