import { k8s } from 'cdk8s-plus-28'
import type { Construct } from 'constructs'
import type { DeepReadonly } from '../config/environment.ts'
import type { ControlPlaneSettings } from './settings.ts'

type AutoscalingSettings = NonNullable<DeepReadonly<ControlPlaneSettings>['autoscaling']>

export interface AutoscalerProps {
  /** Name, namespace and labels, which are those of the Deployment that it scales. */
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> }
  readonly minReplicas: number
  readonly settings: AutoscalingSettings
}

/** The HorizontalPodAutoscaler of the control plane's Deployment. */
export function autoscaler(scope: Construct, id: string, props: AutoscalerProps): k8s.KubeHorizontalPodAutoscalerV2 {
  const { settings } = props
  return new k8s.KubeHorizontalPodAutoscalerV2(scope, id, {
    metadata: props.metadata,
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: props.metadata.name },
      minReplicas: props.minReplicas,
      maxReplicas: settings.maxReplicas,
      metrics: [
        utilization('cpu', settings.cpuUtilizationPercent),
        utilization('memory', settings.memoryUtilizationPercent),
      ],
      behavior: { scaleUp: rules(settings.scaleUp), scaleDown: rules(settings.scaleDown) },
    },
  })
}

function utilization(name: string, averageUtilization: number): k8s.MetricSpecV2 {
  return { type: 'Resource', resource: { name, target: { type: 'Utilization', averageUtilization } } }
}

function rules(step: AutoscalingSettings['scaleUp']): k8s.HpaScalingRulesV2 {
  return {
    stabilizationWindowSeconds: step.stabilizationWindowSeconds,
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: step.percent, periodSeconds: step.periodSeconds }],
  }
}
