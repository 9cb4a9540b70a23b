// contender is a controller as others write them: it contends for Headroom's Lease with client-go's leaderelection, and while it leads
// it changes something in EC2 a few times a second, under credentials of its own, so that EC2's log shows when it believed to lead.
//
// client-go itself has no fence. This program has one, as careful Go programs do: it acts until four fifths of the lease after it
// sent its last successful renewal.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const (
	leaseDuration = 15 * time.Second
	fenceAfter    = leaseDuration * 4 / 5
)

var start = time.Now() // monotonic

// fencedLock notes when the last renewal that succeeded was sent.
type fencedLock struct {
	resourcelock.Interface
	sent atomic.Int64
}

func (l *fencedLock) note(begun time.Time, record resourcelock.LeaderElectionRecord, err error) {
	if err == nil && record.HolderIdentity == l.Identity() {
		l.sent.Store(int64(begun.Sub(start)))
	}
}

func (l *fencedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := time.Now()
	err := l.Interface.Create(ctx, record)
	l.note(begun, record, err)
	return err
}

func (l *fencedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begun := time.Now()
	err := l.Interface.Update(ctx, record)
	l.note(begun, record, err)
	return err
}

func (l *fencedLock) open() bool {
	return time.Since(start) < time.Duration(l.sent.Load())+fenceAfter
}

type cloud struct {
	endpoint, key, secret, region string
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// request is a call of EC2's Query API, signed by version 4.
func (c *cloud) request(ctx context.Context, form url.Values) (*http.Request, error) {
	body := form.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	date := time.Now().UTC().Format("20060102T150405Z")
	scope := date[:8] + "/" + c.region + "/ec2/aws4_request"
	const contentType, signed = "application/x-www-form-urlencoded", "content-type;host;x-amz-date"
	canonical := "POST\n/\n\ncontent-type:" + contentType + "\nhost:" + r.Host + "\nx-amz-date:" + date + "\n\n" + signed + "\n" + digest(body)
	key := mac(mac(mac(mac([]byte("AWS4"+c.secret), date[:8]), c.region), "ec2"), "aws4_request")
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+digest(canonical)))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Date", date)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.key+"/"+scope+", SignedHeaders="+signed+", Signature="+signature)
	return r, nil
}

// lead changes a tag of the subnet until the context ends, and never outside of the fence.
func lead(ctx context.Context, lock *fencedLock, c *cloud, subnet string) {
	for n := 0; ctx.Err() == nil; n++ {
		form := url.Values{"Action": {"CreateTags"}, "Version": {"2016-11-15"}, "ResourceId.1": {subnet},
			"Tag.1.Key": {"led-by"}, "Tag.1.Value": {fmt.Sprintf("%s-%d", lock.Identity(), n)}}
		r, err := c.request(ctx, form)
		if err != nil {
			log.Fatal(err)
		}
		if lock.open() {
			if answer, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the cluster")
	namespace := flag.String("namespace", "headroom-system", "of the Lease")
	name := flag.String("lease", "headroom-controller", "the Lease")
	identity := flag.String("identity", "rival", "who we are")
	subnet := flag.String("subnet", "", "whose tag is changed")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.Timeout = 5 * time.Second
	client := kubernetes.NewForConfigOrDie(config)
	c := &cloud{os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_REGION")}
	lock := &fencedLock{Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *name},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: *identity}}}
	lock.sent.Store(-int64(leaseDuration))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	for ctx.Err() == nil {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: leaseDuration, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					log.Printf("%s leads", *identity)
					lead(ctx, lock, c, *subnet)
				},
				OnStoppedLeading: func() { log.Printf("%s leads no longer", *identity) },
			},
		})
	}
}
