package main

import "time"

// nemeses are all of them, in the order in which they strike. What the lab leaves
// to other tests, or cannot do, docs/reliability.md names.
var nemeses = []nemesis{
	{id: "NM-19", name: "rolling restart, which fails nothing", strike: rollingRestart, rest: time.Second, share: 4},
	{id: "NM-01", name: "kill -9 of replicas", strike: killReplicas, rest: 3 * time.Second, share: 6},
	{id: "NM-02", name: "replicas that are frozen and wake up", strike: freezeReplicas, rest: 3 * time.Second, share: 4},
	{id: "NM-03", name: "immediate restarts of PostgreSQL", strike: restartDatabase, rest: afterDatabase, share: 5},
	{id: "NM-04", name: "outage of PostgreSQL", strike: stopDatabase, rest: afterDatabase, share: 4},
	{id: "NM-05", name: "slow and broken lines", strike: sickenLines, rest: 3 * time.Second, share: 6},
	{id: "NM-06", name: "a replica without its database", strike: isolateReplica, rest: afterDatabase, share: 3},
	{id: "NM-07", name: "a replica that the balancer cannot reach", strike: hideReplica, rest: 3 * time.Second, share: 2},
	{id: "NM-08", name: "full disk of the database", strike: fillDisk, rest: 3 * time.Second, share: 3},
	{id: "NM-10", name: "exhausted pool of connections", strike: exhaustPool, rest: 3 * time.Second, share: 3},
	{id: "NM-11", name: "rotation of keys while replicas are killed", strike: rotateKeys, rest: 3 * time.Second, share: 7},
	{id: "NM-13", name: "approvals toggled while replicas are killed", strike: toggleFast, rest: 3 * time.Second, share: 5},
	{id: "NM-17", name: "a flood of sign-ins", strike: floodSignIns, rest: time.Second, share: 3},
	{id: "NM-18", name: "slow and oversized clients", strike: pesterReplicas, rest: time.Second, share: 3},
	{id: "NM-20", name: "store operations that fail, one at a time", strike: failStores, rest: 2 * time.Second, share: 5},
	{id: "NM-22", name: "an audit record that cannot be written", strike: failAudit, rest: 2 * time.Second, share: 2},
	{id: "NM-09", name: "a replica with another clock", strike: skewClock, rest: 2 * time.Second, share: 6},
}
