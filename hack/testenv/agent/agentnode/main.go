// agentnode is what the real agent (ipamd) needs around it to run on a machine that is no EC2 instance: a network namespace with
// EC2's metadata service, the ways to EC2 and the API server, and a link for each ENI; and a client that asks it for addresses as
// the CNI plugin would.
//
//	agentnode host -pid PID -imds http://127.0.0.1:P/imds/INSTANCE -forward PORT,PORT
//	    PID's network namespace gets 127.0.0.1:PORT of ours, EC2's metadata service on 127.0.0.1:8169, and a veth with the MAC
//	    of each ENI that the metadata service shows, for as long as it shows it. Runs until it is ended.
//	agentnode kubelet -socket SOCKET -node NODE -kubeconfig FILE
//	    Plays the kubelet for the pods of NODE: asks the agent for each until it has an address, writes its status, and tells
//	    in JSON lines how long each pod waited.
//	agentnode add -socket SOCKET NAMESPACE/NAME
//	    A pod's CNI ADD: prints its address, or exits with 3 when the agent has none.
//	agentnode del -socket SOCKET NAMESPACE/NAME
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aws/amazon-vpc-cni-k8s/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	imdsAddress = "127.0.0.1:8169"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	pollEvery   = 200 * time.Millisecond
	callTimeout = 10 * time.Second
)

// listenIn opens a listening socket inside another process's network namespace; it stays there when the thread comes back.
func listenIn(pid int, address string) (net.Listener, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		log.Fatalf("agentnode: cannot come back from the namespace: %v", back)
	}
	return listener, err
}

func forward(listener net.Listener, address string) {
	for {
		inside, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer inside.Close()
			outside, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer outside.Close()
			go func() {
				_, _ = io.Copy(outside, inside)
				_ = outside.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(inside, outside)
		}()
	}
}

// The SDK drops the path of the metadata service's endpoint, so the instance's own path is put before its requests here.
func serveMetadata(listener net.Listener, target *url.URL) {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) { request.SetURL(target) },
		// The SDK takes no token without being told how long it lives.
		ModifyResponse: func(response *http.Response) error {
			ttl := response.Request.Header.Get(ttlHeader)
			if ttl != "" && response.Header.Get(ttlHeader) == "" {
				response.Header.Set(ttlHeader, ttl)
			}
			return nil
		},
	}
	_ = http.Serve(listener, proxy)
}

func metadata(base, path, token string) (string, error) {
	method, header := http.MethodGet, "X-aws-ec2-metadata-token"
	if token == "" {
		method, header, token = http.MethodPut, ttlHeader, "21600"
	}
	request, err := http.NewRequest(method, base+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(header, token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return string(body), err
}

func macs(base string) (map[string]bool, error) {
	token, err := metadata(base, "/latest/api/token", "")
	if err != nil {
		return nil, err
	}
	list, err := metadata(base, "/latest/meta-data/network/interfaces/macs/", token)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, line := range strings.Fields(list) {
		found[strings.TrimSuffix(line, "/")] = true
	}
	return found, nil
}

func ip(pid int, arguments ...string) error {
	command := append([]string{"-t", strconv.Itoa(pid), "-n", "ip"}, arguments...)
	output, err := exec.Command("nsenter", command...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

// keepLinks gives the namespace a link for each ENI; this kernel may have no dummy type, so they are veths.
func keepLinks(pid int, base string) {
	links := map[string]int{}
	next := 0
	for ; ; time.Sleep(pollEvery) {
		wanted, err := macs(base)
		if err != nil {
			continue
		}
		for mac, number := range links {
			if !wanted[mac] {
				if err := ip(pid, "link", "del", fmt.Sprintf("eth%d", number)); err == nil {
					delete(links, mac)
				}
			}
		}
		missing := []string{}
		for mac := range wanted {
			if _, there := links[mac]; !there {
				missing = append(missing, mac)
			}
		}
		sort.Strings(missing)
		for _, mac := range missing {
			name, peer := fmt.Sprintf("eth%d", next), fmt.Sprintf("peer%d", next)
			if err := ip(pid, "link", "add", name, "address", mac, "type", "veth", "peer", "name", peer); err != nil {
				log.Printf("agentnode: %v", err)
				continue
			}
			links[mac] = next
			next++
			_ = ip(pid, "link", "set", name, "up")
			_ = ip(pid, "link", "set", peer, "up")
		}
	}
}

func host(arguments []string) error {
	flags := flag.NewFlagSet("host", flag.ExitOnError)
	pid := flags.Int("pid", 0, "process in whose network namespace the agent will run")
	imds := flags.String("imds", "", "URL of the instance's metadata service")
	ports := flags.String("forward", "", "ports of 127.0.0.1 to be reached from inside, separated by commas")
	_ = flags.Parse(arguments)

	target, err := url.Parse(*imds)
	if err != nil {
		return err
	}
	if err := ip(*pid, "link", "set", "lo", "up"); err != nil {
		return err
	}
	for _, port := range strings.Split(*ports, ",") {
		address := net.JoinHostPort("127.0.0.1", port)
		listener, err := listenIn(*pid, address)
		if err != nil {
			return err
		}
		go forward(listener, address)
	}
	listener, err := listenIn(*pid, imdsAddress)
	if err != nil {
		return err
	}
	go serveMetadata(listener, target)
	keepLinks(*pid, *imds)
	return nil
}

func dial(socket string) (*grpc.ClientConn, rpc.CNIBackendClient, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return connection, rpc.NewCNIBackendClient(connection), nil
}

// add asks for a pod's address; "" when the agent has none. The sandbox's id makes a repeated ADD get the same address.
func add(ctx context.Context, agent rpc.CNIBackendClient, namespace, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reply, err := agent.AddNetwork(ctx, &rpc.AddNetworkRequest{
		K8S_POD_NAME: name, K8S_POD_NAMESPACE: namespace, K8S_POD_INFRA_CONTAINER_ID: sandbox(namespace, name),
		ContainerID: sandbox(namespace, name), IfName: "eth0", NetworkName: "aws-cni", Netns: "/proc/self/ns/net",
	})
	if err != nil || !reply.Success || len(reply.IPAllocationMetadata) == 0 {
		return "", err
	}
	return reply.IPAllocationMetadata[0].IPv4Addr, nil
}

func del(ctx context.Context, agent rpc.CNIBackendClient, namespace, name string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reply, err := agent.DelNetwork(ctx, &rpc.DelNetworkRequest{
		K8S_POD_NAME: name, K8S_POD_NAMESPACE: namespace, K8S_POD_INFRA_CONTAINER_ID: sandbox(namespace, name),
		ContainerID: sandbox(namespace, name), IfName: "eth0", NetworkName: "aws-cni", Reason: "PodDeleted",
	})
	if err == nil && !reply.Success {
		err = fmt.Errorf("the agent does not know %s/%s", namespace, name)
	}
	return err
}

func call(verb string, arguments []string) (int, error) {
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	socket := flags.String("socket", "", "the agent's gRPC socket")
	_ = flags.Parse(arguments)
	namespace, name, found := strings.Cut(flags.Arg(0), "/")
	if !found || (verb != "add" && verb != "del") {
		return 2, fmt.Errorf("usage: agentnode add|del -socket SOCKET NAMESPACE/NAME")
	}
	connection, agent, err := dial(*socket)
	if err != nil {
		return 1, err
	}
	defer connection.Close()
	if verb == "del" {
		return 1, del(context.Background(), agent, namespace, name)
	}
	ip, err := add(context.Background(), agent, namespace, name)
	if err == nil && ip == "" {
		return 3, fmt.Errorf("failed to assign an IP address to container")
	}
	if err == nil {
		fmt.Println(ip)
	}
	return 1, err
}

func main() {
	var err error
	code := 1
	if len(os.Args) < 2 {
		err = fmt.Errorf("usage: agentnode host|kubelet|add|del ...")
	} else if os.Args[1] == "host" {
		err = host(os.Args[2:])
	} else if os.Args[1] == "kubelet" {
		err = runKubelet(os.Args[2:])
	} else {
		code, err = call(os.Args[1], os.Args[2:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "agentnode: %v\n", err)
		os.Exit(code)
	}
}
