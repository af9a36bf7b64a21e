/**
 * Types of the custom resources that the manifests use, as far as they use them: KEDA 2 and the Prometheus operator.
 * Their own packages have none that fit; a key that is not here is an error until it is added.
 */

type Metadata = {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
};
type Scaling = {
  stabilizationWindowSeconds?: number;
  policies?: { type: 'Pods' | 'Percent'; value: number; periodSeconds: number }[];
};
type Trigger =
  | { type: 'prometheus'; name: string; metadata: { serverAddress: string; query: string; threshold: string } }
  | { type: 'cpu'; metricType: 'Utilization'; metadata: { value: string } };

/** keda.sh/v1alpha1. */
export type ScaledObject = {
  apiVersion: 'keda.sh/v1alpha1';
  kind: 'ScaledObject';
  metadata: Metadata;
  spec: {
    scaleTargetRef: { apiVersion?: string; kind?: string; name: string };
    pollingInterval?: number;
    minReplicaCount: number;
    maxReplicaCount: number;
    fallback?: { failureThreshold: number; replicas: number };
    advanced?: { horizontalPodAutoscalerConfig: { behavior: { scaleUp?: Scaling; scaleDown?: Scaling } } };
    triggers: Trigger[];
  };
};

/** monitoring.coreos.com/v1. */
export type ServiceMonitor = {
  apiVersion: 'monitoring.coreos.com/v1';
  kind: 'ServiceMonitor';
  metadata: Metadata;
  spec: {
    selector: { matchLabels: Record<string, string> };
    endpoints: {
      port: string;
      path?: string;
      interval?: string;
      scrapeTimeout?: string;
      honorLabels?: boolean;
      relabelings?: Relabeling[];
      metricRelabelings?: Relabeling[];
    }[];
    jobLabel?: string;
    targetLabels?: string[];
    podTargetLabels?: string[];
    namespaceSelector?: { matchNames?: string[]; any?: boolean };
    sampleLimit?: number;
  };
};

type Relabeling = {
  action?: string;
  sourceLabels?: string[];
  targetLabel?: string;
  regex?: string;
  replacement?: string;
  separator?: string;
};

type Rule = { expr: string; labels?: Record<string, string>; annotations?: Record<string, string> };

/** monitoring.coreos.com/v1. */
export type PrometheusRule = {
  apiVersion: 'monitoring.coreos.com/v1';
  kind: 'PrometheusRule';
  metadata: Metadata;
  spec: {
    groups: {
      name: string;
      interval?: string;
      rules: ((Rule & { alert: string; for?: string; keep_firing_for?: string }) | (Rule & { record: string }))[];
    }[];
  };
};
