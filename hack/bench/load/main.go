// load makes what the Kubernetes benchmark measures against: a large cluster, and changes in it. Both are written straight into etcd,
// in the API server's own storage encoding, because nobody could write 150,000 pods through the API in half a minute; what
// the API server then makes of them is what it makes of any others.
//
//	load cluster -etcd URL -nodes N -pods N -short N -scenario FILE
//	    N nodes with their agents' pods, and N running pods spread over them. The last `short` nodes are in a zone whose subnet is
//	    empty, with a pod on each address that they have. FILE is written for ec2sim: the same nodes as instances.
//	load churn -etcd URL -nodes N -pods N -short N -rate N -seconds N -needs N
//	    For so long, so many changes a second of pods: bound without an address, given one, touched, deleted, in equal parts.
//	    `needs` a second are pods without an address for the short nodes, one each. Prints what it did as JSON.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// size is how large the cluster is; both commands must be given the same.
type size struct {
	nodes, pods, short int
}

type store struct {
	client *clientv3.Client
	bytes  int64
}

const writers = 8

func open(endpoint string) *store {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, MaxCallSendMsgSize: 64 << 20, DialTimeout: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	return &store{client: client}
}

func (s *store) commit(operations []clientv3.Op) {
	if _, err := s.client.Txn(context.Background()).Then(operations...).Commit(); err != nil {
		log.Fatal(err)
	}
}

// batch hands operations to several writers, a hundred in a transaction.
type batch struct {
	work    chan []clientv3.Op
	waiting []clientv3.Op
	done    sync.WaitGroup
	count   int
	bytes   int
}

func (s *store) batch() *batch {
	b := &batch{work: make(chan []clientv3.Op, 64)}
	for i := 0; i < writers; i++ {
		b.done.Add(1)
		go func() {
			defer b.done.Done()
			for operations := range b.work {
				s.commit(operations)
			}
		}()
	}
	return b
}

func (b *batch) put(key string, value []byte) {
	b.waiting = append(b.waiting, clientv3.OpPut(key, string(value)))
	b.count++
	b.bytes += len(value)
	if len(b.waiting) == 100 {
		b.flush()
	}
}

func (b *batch) flush() {
	if len(b.waiting) > 0 {
		b.work <- b.waiting
		b.waiting = nil
	}
}

func (b *batch) end() {
	b.flush()
	close(b.work)
	b.done.Wait()
}

func cluster(endpoint string, s size, scenario string) {
	begun := time.Now()
	if scenario != "" {
		if err := os.WriteFile(scenario, scenarioOf(s), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	b := open(endpoint).batch()
	for i := 0; i < s.nodes; i++ {
		b.put("/registry/minions/"+nodeName(i), encode(node(s, i)))
		agent := agentPod(i)
		b.put(podKey(agent), encode(agent))
	}
	for i := 0; i < s.pods; i++ {
		p := pod(i, nodeOf(s, i), time.Time{})
		b.put(podKey(p), encode(p))
		if i%10000 == 9999 {
			fmt.Fprintf(os.Stderr, "\rload: %d of %d pods written, %.0f s ", i+1, s.pods, time.Since(begun).Seconds())
		}
	}
	b.end()
	fmt.Fprintf(os.Stderr, "\rload: wrote %d nodes and %d pods, %d MB, in %.0f s\n", s.nodes, s.pods, b.bytes>>20, time.Since(begun).Seconds())
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: load cluster|churn [flags]")
	}
	var s size
	var c churn
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	endpoint := flags.String("etcd", "http://127.0.0.1:2379", "etcd's `URL`")
	flags.IntVar(&s.nodes, "nodes", 5000, "nodes")
	flags.IntVar(&s.pods, "pods", 150000, "pods that hold an address")
	flags.IntVar(&s.short, "short", 200, "of the nodes, so many have no address left")
	scenario := flags.String("scenario", "", "cluster: `FILE` for ec2sim")
	flags.IntVar(&c.rate, "rate", 1000, "churn: changes a second")
	flags.IntVar(&c.seconds, "seconds", 60, "churn: for so long")
	flags.IntVar(&c.needs, "needs", 2, "churn: pods a second for the short nodes")
	_ = flags.Parse(os.Args[2:])
	switch os.Args[1] {
	case "cluster":
		cluster(*endpoint, s, *scenario)
	case "churn":
		c.size = s
		c.run(open(*endpoint))
	default:
		log.Fatalf("no command %q", os.Args[1])
	}
}
