/** Topics of one edge node (Sparkplug 3.0 §4.1). */
export interface SparkplugTopics {
  readonly nodeBirth: string;
  readonly nodeData: string;
  readonly nodeDeath: string;
  readonly nodeCommand: string;
  deviceBirth(device: string): string;
  deviceData(device: string): string;
  deviceDeath(device: string): string;
  deviceCommand(device: string): string;
  /** STATE of a host application; its id is the last level. */
  state(host: string): string;
  /** STATE topic of a Sparkplug 2.2 host. */
  state22(host: string): string;
}

const namespace = 'spBv1.0';

export function sparkplugTopics(groupId: string, edgeNodeId: string): SparkplugTopics {
  const topic = (type: string, ...device: string[]) =>
    [namespace, groupId, type, edgeNodeId, ...device].join('/');
  return {
    nodeBirth: topic('NBIRTH'),
    nodeData: topic('NDATA'),
    nodeDeath: topic('NDEATH'),
    nodeCommand: topic('NCMD'),
    deviceBirth: (device) => topic('DBIRTH', device),
    deviceData: (device) => topic('DDATA', device),
    deviceDeath: (device) => topic('DDEATH', device),
    deviceCommand: (device) => topic('DCMD', device),
    state: (host) => `${namespace}/STATE/${host}`,
    state22: (host) => `STATE/${host}`,
  };
}
