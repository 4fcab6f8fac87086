/** Folder of the certificate with which a program speaks to etcd. */
export const etcdClientTlsFolder = '/etc/regent/etcd-tls'

/** Variables of every program that calls etcd. */
export const etcdVariables = {
  etcdEndpoints: {
    variable: 'ETCD_ENDPOINTS',
    type: 'urls',
    schemes: ['http', 'https'],
    description: 'the client URLs of etcd',
  },
  etcdCaFile: {
    variable: 'ETCD_CA_FILE',
    type: 'file',
    secret: false,
    when: 'etcdTls',
    default: `${etcdClientTlsFolder}/ca.crt`,
    description: 'the certificate authority of etcd',
  },
  etcdCertificateFile: {
    variable: 'ETCD_CERTIFICATE_FILE',
    type: 'file',
    secret: false,
    when: 'etcdTls',
    default: `${etcdClientTlsFolder}/tls.crt`,
    description: 'the certificate for etcd, whose common name is the user that the program is there',
  },
  etcdKeyFile: {
    variable: 'ETCD_KEY_FILE',
    type: 'file',
    secret: true,
    when: 'etcdTls',
    default: `${etcdClientTlsFolder}/tls.key`,
    description: 'the key of that certificate',
  },
} as const
