package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// churn is pods that come, get an address, are touched and go, a quarter of the changes each. Until the first ones go, pods that were
// always there are touched in their stead.
type churn struct {
	size                 size
	rate, seconds, needs int
}

// How a pod's life goes on after it was bound, and how often we look who is due.
const (
	addressed = 500 * time.Millisecond
	touched   = 2 * time.Second
	gone      = 10 * time.Second
	tick      = 5 * time.Millisecond
)

// change is one write; without a value it is a delete.
type change struct {
	due   time.Time
	key   string
	value []byte
}

type player struct {
	churn
	random *rand.Rand
	queues [writers]chan change
	done   sync.WaitGroup
	born   int
	due    [3][]change // by stage of life, each in the order of time
	result result
}

type result struct {
	Changes  int     `json:"changes"`
	Needs    int     `json:"needs"`
	Seconds  float64 `json:"seconds"`
	PodsMore int     `json:"pods_more"`
}

func (p *player) write(s *store, queue chan change) {
	defer p.done.Done()
	for c := range queue {
		var err error
		if c.value == nil {
			_, err = s.client.Delete(context.Background(), c.key)
		} else {
			_, err = s.client.Put(context.Background(), c.key, string(c.value))
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// send: one writer a key, so that the changes of a pod keep their order.
func (p *player) send(c change) {
	shard := 0
	for _, b := range []byte(c.key) {
		shard = shard*31 + int(b)
	}
	p.queues[uint(shard)%writers] <- c
	p.result.Changes++
}

func (p *player) touch(pod *corev1.Pod) *corev1.Pod {
	pod.Annotations["example.com/touched"] = fmt.Sprint(p.random.Int63())
	return pod
}

func (p *player) bear(now time.Time) {
	pod := pod(p.size.pods+p.born, p.random.Intn(p.size.nodes-p.size.short), now)
	p.born++
	p.result.PodsMore++
	key := podKey(pod)
	p.send(change{now, key, encode(waiting(pod))})
	p.due[0] = append(p.due[0], change{now.Add(addressed), key, encode(pod)})
	p.due[1] = append(p.due[1], change{now.Add(touched), key, encode(p.touch(pod))})
	p.due[2] = append(p.due[2], change{now.Add(gone), key, nil})
}

// need: a pod without an address on the next short node, which stays there.
func (p *player) need(now time.Time) {
	pod := waiting(pod(p.size.pods+p.born, p.size.nodes-p.size.short+p.result.Needs, now))
	p.born++
	p.result.Needs++
	p.result.PodsMore++
	p.send(change{now, podKey(pod), encode(pod)})
}

func (p *player) touchAny(now time.Time) {
	i := p.random.Intn(p.size.pods)
	pod := p.touch(pod(i, nodeOf(p.size, i), time.Time{}))
	p.send(change{now, podKey(pod), encode(pod)})
}

func (p *player) turn(now time.Time, since float64) {
	for stage := range p.due {
		for len(p.due[stage]) > 0 && !p.due[stage][0].due.After(now) {
			if p.due[stage][0].value == nil {
				p.result.PodsMore--
			}
			p.send(p.due[stage][0])
			p.due[stage] = p.due[stage][1:]
		}
	}
	for p.result.Needs < min(int(since*float64(p.needs)), p.size.short) {
		p.need(now)
	}
	for p.born-p.result.Needs < int(since*float64(p.rate)/4) {
		p.bear(now)
	}
	for p.result.Changes < int(since*float64(p.rate)) {
		p.touchAny(now)
	}
}

func (c churn) run(s *store) {
	p := player{churn: c, random: rand.New(rand.NewSource(1))}
	for i := range p.queues {
		p.queues[i] = make(chan change, 4096)
		p.done.Add(1)
		go p.write(s, p.queues[i])
	}
	begun := time.Now()
	for since := 0.0; since < float64(c.seconds); since = time.Since(begun).Seconds() {
		p.turn(time.Now(), since)
		time.Sleep(tick)
	}
	for _, queue := range p.queues {
		close(queue)
	}
	p.done.Wait()
	p.result.Seconds = time.Since(begun).Seconds()
	if err := json.NewEncoder(os.Stdout).Encode(p.result); err != nil {
		log.Fatal(err)
	}
}
